// SPDX-License-Identifier: 0BSD
#include "probe/cleanup.h"

#include <utility>
#include <vector>

namespace qv {

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
