// SPDX-License-Identifier: 0BSD
#include "proxymap/answer_cache.h"

#include "core/text.h"
#include "maps/spec.h"
#include "proxymap/allow_list.h"

namespace qv::proxymap {

namespace {
constexpr std::uint64_t kDefaultBytes = 1u << 20;
constexpr std::uint64_t kMaxBytes = 1u << 30;
constexpr std::uint64_t kMaxSeconds = 86400;
}  // namespace

void AnswerCache::erase(Entries::iterator entry) {
  bytes_ -= entry->cost();
  index_.erase(entry->key);
  entries_.erase(entry);
}

std::optional<AnswerCache::Cached> AnswerCache::find(std::string_view key, std::int64_t now_us) {
  const auto at = index_.find(key);
  if (at == index_.end()) return std::nullopt;
  if (now_us < at->second->until_us) return Cached{at->second->answer, at->second->value};
  erase(at->second);
  return std::nullopt;
}

void AnswerCache::store(std::string_view key, maps::Answer answer, std::string_view value,
                        std::int64_t now_us) {
  forget(key);
  Entry entry{std::string(key), answer, std::string(value), now_us + limits_.time_us};
  if (limits_.time_us == 0 || entry.cost() > limits_.bytes) return;
  while (bytes_ + entry.cost() > limits_.bytes) erase(entries_.begin());
  bytes_ += entry.cost();
  entries_.push_back(std::move(entry));
  index_.emplace(entries_.back().key, std::prev(entries_.end()));
}

void AnswerCache::forget(std::string_view key) {
  const auto at = index_.find(key);
  if (at != index_.end()) erase(at->second);
}

std::unordered_map<std::string, CacheLimits> parse_cache_lines(
    const std::string& path, const std::vector<control::ControlLine>& lines,
    std::vector<control::Problem>& problems) {
  std::unordered_map<std::string, CacheLimits> out;
  for (const control::ControlLine& line : lines) {
    std::vector<std::string_view> words;
    std::string_view table;
    std::uint64_t seconds = 0;
    std::uint64_t bytes = kDefaultBytes;
    const bool good = maps::split_list(line.text, words) &&
                      (words.size() == 2 || words.size() == 3) && parse_proxied(words[0], table) &&
                      parse_decimal(words[1], kMaxSeconds, seconds) &&
                      (words.size() == 2 || parse_decimal(words[2], kMaxBytes, bytes));
    if (!good) {
      problems.push_back({path, line.number, "\"proxy:type:name SECONDS [BYTES]\" expected"});
      continue;
    }
    out[std::string(table)] = {static_cast<std::int64_t>(seconds) * 1000000, bytes};
  }
  return out;
}

}  // namespace qv::proxymap
