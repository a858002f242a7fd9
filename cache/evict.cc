// SPDX-License-Identifier: 0BSD
#include "cache/evict.h"

#include <algorithm>

#include "cache/record.h"
#include "core/check.h"

namespace qv {

Worth worth_of(std::string_view bytes) {
  CacheRecord record;
  if (parse_record(bytes, record) == RecordForm::damaged) return {};
  const std::int64_t time = std::max(record.probed, record.updated);
  switch (record.status) {
    case RecipientStatus::todo:
      return {0, time};
    case RecipientStatus::defer:
      return {1, time};
    case RecipientStatus::bounce:
      return {2, time};
    case RecipientStatus::ok:
      return {3, time};
  }
  QV_CHECK(false);
}

void Eviction::consider(std::string_view key, std::string_view record) {
  candidates_.push_back({worth_of(record), std::string(key)});
}

std::vector<std::string> Eviction::take_least(std::size_t count) {
  count = std::min(count, candidates_.size());
  std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(count),
                   candidates_.end(),
                   [](const Candidate& a, const Candidate& b) { return a.worth < b.worth; });
  std::vector<std::string> keys;
  keys.reserve(count);
  for (std::size_t i = 0; i < count; ++i) keys.push_back(std::move(candidates_[i].key));
  candidates_.clear();
  return keys;
}

}  // namespace qv
