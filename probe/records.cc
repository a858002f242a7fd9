// SPDX-License-Identifier: 0BSD
#include "probe/records.h"

#include <string.h>

namespace qv {

void LocalRecords::note_failure(const Error& error) {
  ++counters_.failures;
  const char* reason = error.errnum == 0 ? "" : strerror(error.errnum);
  report_("store", {{"event", "failed"}, {"detail", error.what}, {"error", reason}});
}

Records::Peek LocalRecords::peek(const std::string& key, CacheRecord& record) {
  const Result<Answer> answer = store_.lookup(key, value_);
  if (!answer.ok() || answer.value() == Answer::absent) return Peek::not_known;
  if (parse_record(value_, record) == RecordForm::damaged) return Peek::not_known;
  if (record.probed < started_) record.probed = 0;
  return record.updated == 0 ? Peek::not_known : Peek::known;
}

void LocalRecords::find(const std::string& key, Found found) {
  const Result<Answer> answer = store_.lookup(key, value_);
  if (!answer.ok()) {
    note_failure(answer.error());
    return found(answer.error());
  }
  if (answer.value() == Answer::absent) return found(std::optional<CacheRecord>{});
  CacheRecord record;
  if (parse_record(value_, record) == RecordForm::damaged) {
    ++counters_.damaged;
    report_("store", {{"event", "damaged-record"}, {"key", key}, {"record", value_}});
    return found(std::optional<CacheRecord>{});
  }
  if (record.probed < started_) {
    record.probed = 0;
    if (record.updated == 0) return found(std::optional<CacheRecord>{});
  }
  found(std::optional<CacheRecord>(std::move(record)));
}

void LocalRecords::lease(const std::string& /*key*/, std::int64_t /*seconds*/, Leased leased) {
  leased(Lease::granted);
}

void LocalRecords::store(const std::string& key, const CacheRecord& record,
                         std::int64_t /*seconds*/) {
  const Result<void> stored = store_.put(key, encode_record(record));
  if (!stored.ok()) note_failure(stored.error());
}

void LocalRecords::erase(const std::string& key) {
  const Result<Answer> erased = store_.erase(key);
  if (!erased.ok()) note_failure(erased.error());
}

}  // namespace qv
