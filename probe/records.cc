// SPDX-License-Identifier: 0BSD
#include "probe/records.h"

#include <string.h>

#include <utility>
#include <vector>

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

CacheCleanup::CacheCleanup(Loop& loop, CacheStore& store, std::function<std::int64_t()> clock,
                           const CacheTimes& times, std::int64_t interval_s, Report report)
    : loop_(loop),
      store_(store),
      clock_(std::move(clock)),
      times_(times),
      report_(std::move(report)) {
  if (interval_s > 0) every_ = loop_.every(interval_s * 1000000, [this] { begin(); });
}

void CacheCleanup::begin() {
  if (step_) return;
  after_.clear();
  kept_ = dropped_ = 0;
  step_ = loop_.after(0, [this] { step(); });
}

bool CacheCleanup::is_expired(std::string_view key, std::string_view bytes) const {
  CacheRecord record;
  if (parse_record(bytes, record) == RecordForm::damaged) return true;
  const bool of_domain = !key.empty() && key.front() == '@';
  if (of_domain) return judge_domain(&record, clock_(), times_) == AcceptAll::unknown;
  return age_of(record, clock_(), times_) == Age::expired;
}

void CacheCleanup::step() {
  std::vector<std::string> expired;
  std::size_t seen = 0;
  const Result<void> walked =
      store_.walk(after_, [&](std::string_view key, std::string_view record) {
        after_ = key;
        if (is_expired(key, record)) expired.emplace_back(key);
        return ++seen == kBatch ? CacheStore::Walk::stop : CacheStore::Walk::go_on;
      });
  Result<void> done = walked;
  for (const std::string& key : expired) {
    const Result<Answer> erased = store_.erase(key);
    if (!erased.ok()) done = erased.error();
  }
  dropped_ += expired.size();
  kept_ += seen - expired.size();
  if (done.ok() && seen == kBatch) {
    step_ = loop_.after(0, [this] { step(); });
    return;
  }
  step_.reset();
  const std::string kept = std::to_string(kept_);
  const std::string dropped = std::to_string(dropped_);
  report_("cleanup", {{"kept", kept},
                      {"dropped", dropped},
                      {"error", done.ok() ? std::string_view{} : done.error().what}});
}

}  // namespace qv
