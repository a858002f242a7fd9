// SPDX-License-Identifier: 0BSD
#include "proxymap/answer_cache.h"

#include "core/text.h"
#include "maps/spec.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

namespace {
constexpr std::size_t kEntryCost = 128;
constexpr std::uint64_t kDefaultBytes = 1u << 20;
constexpr std::uint64_t kMaxBytes = 1u << 30;
constexpr std::uint64_t kMaxSeconds = 86400;
}  // namespace

std::size_t AnswerCache::cost(const Entry& entry) {
  return kEntryCost + entry.key.size() + entry.value.size();
}

void AnswerCache::erase(Entries::iterator entry) {
  bytes_ -= cost(*entry);
  index_.erase(entry->key);
  entries_.erase(entry);
}

bool AnswerCache::find(std::string_view key, std::int64_t now_us, Kept& kept) {
  const auto at = index_.find(key);
  if (at == index_.end()) return false;
  if (now_us >= at->second->until_us) {
    erase(at->second);
    return false;
  }
  kept = {at->second->answer, at->second->value};
  return true;
}

void AnswerCache::keep(std::string_view key, Answer answer, std::string_view value,
                       std::int64_t now_us) {
  forget(key);
  if (limits_.time_us == 0) return;
  Entry entry{std::string(key), answer, std::string(value), now_us + limits_.time_us};
  const std::size_t needed = cost(entry);
  if (needed > limits_.bytes) return;
  while (bytes_ + needed > limits_.bytes) erase(entries_.begin());
  entries_.push_back(std::move(entry));
  index_.emplace(entries_.back().key, std::prev(entries_.end()));
  bytes_ += needed;
}

void AnswerCache::forget(std::string_view key) {
  const auto at = index_.find(key);
  if (at != index_.end()) erase(at->second);
}

std::unordered_map<std::string, CacheLimits> parse_cache_lines(
    const std::string& path, const std::vector<ControlLine>& lines,
    std::vector<Problem>& problems) {
  std::unordered_map<std::string, CacheLimits> out;
  for (const ControlLine& line : lines) {
    std::vector<std::string_view> words;
    std::uint64_t seconds = 0;
    std::uint64_t bytes = kDefaultBytes;
    const bool good = split_list(line.text, words) && (words.size() == 2 || words.size() == 3) &&
                      starts_with(strip_braces(words[0]), "proxy:") &&
                      parse_decimal(words[1], kMaxSeconds, seconds) &&
                      (words.size() == 2 || parse_decimal(words[2], kMaxBytes, bytes));
    if (!good) {
      problems.push_back({path, line.number, "\"proxy:type:name SECONDS [BYTES]\" expected"});
      continue;
    }
    out[std::string(strip_proxy(strip_braces(words[0])))] = {
        static_cast<std::int64_t>(seconds) * 1000000, bytes};
  }
  return out;
}

}  // namespace qv::proxymap
