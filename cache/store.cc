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
    entries_.insert_or_assign(std::string(key), std::string(value));
    const std::size_t surplus = eviction_count(entries_.size(), max_entries_);
    if (surplus == 0) return {};
    WorthOfKeys worths;
    for (const auto& [each, record] : entries_) worths.emplace_back(worth_of(record), each);
    for (const std::string& least : least_worthy(std::move(worths), surplus)) entries_.erase(least);
    return {};
  }

  Result<Answer> erase(std::string_view key) override {
    return entries_.erase(std::string(key)) == 0 ? Answer::absent : Answer::found;
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
  std::size_t max_entries_;
  std::map<std::string, std::string, std::less<>> entries_;
};

}  // namespace

std::unique_ptr<CacheStore> make_memory_store(std::size_t max_entries) {
  QV_CHECK(max_entries >= 1);
  return std::make_unique<MemoryStore>(max_entries);
}

Worth worth_of(std::string_view bytes) {
  constexpr std::uint8_t kWorth[] = {3, 1, 2, 0};  // of ok, defer, bounce, todo
  CacheRecord record;
  if (parse_record(bytes, record) == RecordForm::damaged) return {};
  return {kWorth[static_cast<std::size_t>(record.status)], std::max(record.probed, record.updated)};
}

std::vector<std::string> least_worthy(WorthOfKeys entries, std::size_t count) {
  count = std::min(count, entries.size());
  std::nth_element(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count),
                   entries.end());
  std::vector<std::string> keys;
  keys.reserve(count);
  for (std::size_t i = 0; i < count; ++i) keys.push_back(std::move(entries[i].second));
  return keys;
}

}  // namespace qv
