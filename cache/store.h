// SPDX-License-Identifier: 0BSD
// cache/store.h - where the records of the verification cache lie.
//
// A store maps keys to record bytes and is bounded in entries: over its limit it forgets, in this
// order, what has no answer (todo), temporary answers, negative ones, positive ones, within each
// the oldest first (Eviction).  What it is told is in force at once for whoever asks it; on
// disk it is after flush().
//
// Threads: none.  Blocking: flush() may wait for the disk.
// Tests: tests/cache/store_test.cc, for every store
#ifndef QV_CACHE_STORE_H_
#define QV_CACHE_STORE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "maps/map.h"

namespace qv {

class CacheStore {
 public:
  enum class Walk : std::uint8_t { go_on, stop };
  using Visitor = std::function<Walk(std::string_view key, std::string_view value)>;

  virtual ~CacheStore() = default;
  CacheStore() = default;
  CacheStore(const CacheStore&) = delete;
  CacheStore& operator=(const CacheStore&) = delete;

  // found: `value` is the record's bytes.  absent: `value` is untouched.  Error: cannot say.
  [[nodiscard]] virtual Result<Answer> lookup(std::string_view key, std::string& value) = 0;

  // Stores, replacing what was there.  REQUIRES: 1 <= key.size() <= kMaxCacheKey.
  [[nodiscard]] virtual Result<void> put(std::string_view key, std::string_view value) = 0;

  // found: it is gone.  absent: there was none.
  [[nodiscard]] virtual Result<Answer> erase(std::string_view key) = 0;

  // Visits entries in the order of their keys, from the first one greater than `after`, until the
  // visitor says stop.  REQUIRES: the visitor does not change the store.
  [[nodiscard]] virtual Result<void> walk(std::string_view after, const Visitor& visitor) = 0;

  // Number of entries.
  [[nodiscard]] virtual std::size_t size() const = 0;

  // Makes what was stored lasting.  An Error leaves it in force and to be flushed again.
  [[nodiscard]] virtual Result<void> flush() = 0;
};

// In memory only: gone with the process.  `max_entries` >= 1.
[[nodiscard]] std::unique_ptr<CacheStore> make_memory_store(std::size_t max_entries);

// ---- for stores: what a full one forgets first
// ---------------------------------------------------

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

#endif  // QV_CACHE_STORE_H_
