// SPDX-License-Identifier: 0BSD
// proxymap/answer_cache.h - answers of slow tables, cached where the operator asks for it.
//
// Found and absent are cached, faults never.  Each table has its own time and its own number of
// bytes; the oldest answers go first.
//
// Threads: none.  Tests: tests/proxymap/answer_cache_test.cc
#ifndef QV_PROXYMAP_ANSWER_CACHE_H_
#define QV_PROXYMAP_ANSWER_CACHE_H_

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/lines.h"
#include "maps/map.h"

namespace qv::proxymap {

struct CacheLimits {
  std::int64_t time_us = 0;  // 0: nothing is cached
  std::size_t bytes = 0;     // of keys and values, and 128 for each entry
};

class AnswerCache {
 public:
  explicit AnswerCache(const CacheLimits& limits) : limits_(limits) {}

  struct Cached {
    maps::Answer answer = maps::Answer::absent;
    std::string_view value;  // good until the next call
  };
  // Nothing where no answer is cached, or it is too old.
  [[nodiscard]] std::optional<Cached> find(std::string_view key, std::int64_t now_us);
  void store(std::string_view key, maps::Answer answer, std::string_view value,
             std::int64_t now_us);
  void forget(std::string_view key);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string key;
    maps::Answer answer;
    std::string value;
    std::int64_t until_us;

    [[nodiscard]] std::size_t cost() const { return 128 + key.size() + value.size(); }
  };
  using Entries = std::list<Entry>;

  void erase(Entries::iterator entry);

  CacheLimits limits_;
  Entries entries_;  // oldest first: all live equally long
  std::unordered_map<std::string_view, Entries::iterator> index_;  // keys point into entries_
  std::size_t bytes_ = 0;
};

// The lines of control/proxy_cache_maps: `proxy:type:name seconds [bytes]`, by table.  A line with
// a mistake is left out and added to `problems`.
[[nodiscard]] std::unordered_map<std::string, CacheLimits> parse_cache_lines(
    const std::string& path, const std::vector<control::ControlLine>& lines,
    std::vector<control::Problem>& problems);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_ANSWER_CACHE_H_
