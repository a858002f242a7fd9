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

void try_rules(const qv::cache::CacheRecord& record, std::int64_t now) {
  using namespace qv;
  const qv::cache::CacheTimes times;
  const qv::cache::Judgement judgement = qv::cache::judge(&record, now, times);
  const bool definite = judgement.state == qv::cache::EntryState::fresh ||
                        judgement.state == qv::cache::EntryState::stale;
  require(!definite || record.status == judgement.answer);
  require(definite || judgement.answer == qv::cache::RecipientStatus::todo ||
          judgement.answer == qv::cache::RecipientStatus::defer);
  if (const auto next = qv::cache::record_probe(&record, now, times)) {
    require(qv::cache::judge(&*next, now, times).probe == qv::cache::Judgement::Probe::not_needed);
    (void)qv::cache::encode_record(*next);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)qv::cache::worth_of(bytes);
  (void)qv::cache::cache_key(bytes);
  qv::cache::CacheRecord record;
  if (qv::cache::parse_record(bytes, record) == qv::cache::RecordForm::damaged) return 0;
  require(record.probed != 0 || record.updated != 0);
  require(record.text.size() <= qv::cache::kMaxCacheText);
  qv::cache::CacheRecord again;
  require(qv::cache::parse_record(qv::cache::encode_record(record), again) ==
          qv::cache::RecordForm::whole);
  require(again == record);
  try_rules(record, 1);
  try_rules(record, 2000000000);
  try_rules(record, record.updated > 0 ? record.updated : record.probed);
  return 0;
}
