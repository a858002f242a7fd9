// SPDX-License-Identifier: 0BSD
// cache/record.h and what is made of it: a record that parses must survive being written, and no
// record may be judged to something that the rules do not know.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cache/record.h"
#include "cache/store.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

void try_rules(const qv::CacheRecord& record, std::int64_t now) {
  using namespace qv;
  const CacheTimes times;
  const Judgement judgement = judge(&record, now, times);
  const bool definite =
      judgement.state == EntryState::fresh || judgement.state == EntryState::stale;
  require(!definite || record.status == judgement.answer);
  require(definite || judgement.answer == RecipientStatus::todo ||
          judgement.answer == RecipientStatus::defer);
  if (const auto next = record_probe(&record, now, times)) {
    require(judge(&*next, now, times).probe == Judgement::Probe::not_needed);
    (void)encode_record(*next);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)worth_of(bytes);
  (void)cache_key(bytes);
  CacheRecord record;
  if (parse_record(bytes, record) == RecordForm::damaged) return 0;
  require(record.probed != 0 || record.updated != 0);
  require(record.text.size() <= kMaxCacheText);
  CacheRecord again;
  require(parse_record(encode_record(record), again) == RecordForm::whole);
  require(again == record);
  try_rules(record, 1);
  try_rules(record, 2000000000);
  try_rules(record, record.updated > 0 ? record.updated : record.probed);
  return 0;
}
