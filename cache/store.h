// SPDX-License-Identifier: 0BSD
// cache/store.h - where the records of the verification cache are stored.
//
// A store maps keys to record bytes and has a bounded number of entries.  Beyond its limit it
// drops, the oldest first: entries without an answer (todo), then temporary answers, then negative
// ones, then positive ones.  A change is visible at once, and on disk after flush().
//
// Threads: none.  Blocking: flush() may wait for the disk.
// Tests: tests/cache/store_test.cc, for every store
#ifndef QV_CACHE_STORE_H_
#define QV_CACHE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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

  // found: `value` is the record's bytes.  absent: `value` is untouched.  Error: undecided.
  [[nodiscard]] virtual Result<Answer> lookup(std::string_view key, std::string& value) = 0;

  // Stores or replaces an entry.  REQUIRES: 1 <= key.size() <= kMaxCacheKey.
  [[nodiscard]] virtual Result<void> put(std::string_view key, std::string_view value) = 0;

  // found: it is gone.  absent: there was none.
  [[nodiscard]] virtual Result<Answer> erase(std::string_view key) = 0;

  // Visits the entries after `after` in the order of their keys, until the visitor says stop.
  // REQUIRES: the visitor does not change the store.
  [[nodiscard]] virtual Result<void> walk(std::string_view after, const Visitor& visitor) = 0;

  // Number of entries.
  [[nodiscard]] virtual std::size_t size() const = 0;

  // Writes all changes to disk.  After an Error they stay visible, and the next flush() tries
  // again.
  [[nodiscard]] virtual Result<void> flush() = 0;

  // Damage that the operator must know about, once; empty: none.
  [[nodiscard]] virtual std::string take_notice() { return {}; }
};

// In memory only: gone with the process.  `max_entries` >= 1.
[[nodiscard]] std::unique_ptr<CacheStore> make_memory_store(std::size_t max_entries);

// For stores: the entries with the smallest worth are dropped first.  The first number is 0 for
// damaged and todo, 1 temporary, 2 negative, 3 positive; the second the time of the last change.
using Worth = std::pair<std::uint8_t, std::int64_t>;
[[nodiscard]] Worth worth_of(std::string_view record);

// The keys of the `count` entries of least worth; all if there are fewer.
using WorthOfKeys = std::vector<std::pair<Worth, std::string>>;
[[nodiscard]] std::vector<std::string> least_worthy(WorthOfKeys entries, std::size_t count);

// How many entries a store drops at a time, so that a full one does not do so for each new entry.
// 0: it is not over its limit.
[[nodiscard]] constexpr std::size_t eviction_count(std::size_t entries, std::size_t max_entries) {
  return entries <= max_entries ? 0 : entries - max_entries + max_entries / 20;
}

}  // namespace qv

#endif  // QV_CACHE_STORE_H_
