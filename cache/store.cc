// SPDX-License-Identifier: 0BSD
#include "cache/store.h"

#include <algorithm>
#include <map>

#include "cache/record.h"
#include "core/check.h"

namespace qv {

namespace {

class MemoryStore final : public CacheStore {
 public:
  explicit MemoryStore(std::size_t max_entries) : max_entries_(max_entries) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return Answer::absent;
    value = entry->second;
    return Answer::found;
  }

  Result<void> put(std::string_view key, std::string_view value) override {
    QV_CHECK(!key.empty() && key.size() <= kMaxCacheKey);
    const auto entry = entries_.find(key);
    if (entry != entries_.end()) {
      entry->second = value;
      return {};
    }
    entries_.emplace(key, value);
    forget_surplus();
    return {};
  }

  Result<Answer> erase(std::string_view key) override {
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return Answer::absent;
    entries_.erase(entry);
    return Answer::found;
  }

  Result<void> walk(std::string_view after, const Visitor& visitor) override {
    for (auto entry = entries_.upper_bound(after); entry != entries_.end(); ++entry) {
      if (visitor(entry->first, entry->second) == Walk::stop) break;
    }
    return {};
  }

  [[nodiscard]] std::size_t size() const override { return entries_.size(); }
  Result<void> flush() override { return {}; }

 private:
  void forget_surplus() {
    const std::size_t surplus = eviction_count(entries_.size(), max_entries_);
    if (surplus == 0) return;
    Eviction eviction;
    for (const auto& [key, value] : entries_) eviction.consider(key, value);
    for (const std::string& key : eviction.take_least(surplus)) entries_.erase(key);
  }

  std::size_t max_entries_;
  std::map<std::string, std::string, std::less<>> entries_;
};

}  // namespace

std::unique_ptr<CacheStore> make_memory_store(std::size_t max_entries) {
  QV_CHECK(max_entries >= 1);
  return std::make_unique<MemoryStore>(max_entries);
}

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
