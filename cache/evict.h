// SPDX-License-Identifier: 0BSD
// cache/evict.h - what a full store forgets first.
//
// Damaged records and those without an answer go first, then temporary, negative and at last
// positive answers; within each the oldest first.  Pure.  Tests: tests/cache/store_test.cc
#ifndef QV_CACHE_EVICT_H_
#define QV_CACHE_EVICT_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qv {

// The smaller, the sooner forgotten.
struct Worth {
  std::uint8_t kind = 0;  // 0 damaged or todo, 1 temporary, 2 negative, 3 positive
  std::int64_t time = 0;  // when it was last touched
  friend auto operator<=>(const Worth&, const Worth&) = default;
};
[[nodiscard]] Worth worth_of(std::string_view record);

// Collects the entries of a store and names the least worthy ones.
class Eviction {
 public:
  void consider(std::string_view key, std::string_view record);
  // The keys of the `count` least worthy (all, where there are not as many).  Empties the list.
  [[nodiscard]] std::vector<std::string> take_least(std::size_t count);

 private:
  struct Candidate {
    Worth worth;
    std::string key;
  };
  std::vector<Candidate> candidates_;
};

// How many a store over its limit forgets at a time: so many that it does not do so for every new
// entry.  0 where it is not over.
[[nodiscard]] constexpr std::size_t eviction_count(std::size_t entries, std::size_t max_entries) {
  return entries <= max_entries ? 0 : entries - max_entries + max_entries / 20;
}

}  // namespace qv

#endif  // QV_CACHE_EVICT_H_
