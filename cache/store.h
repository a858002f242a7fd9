// SPDX-License-Identifier: 0BSD
// cache/store.h - where the records of the verification cache are stored: in memory, and with a
// path in an LMDB file, which survives kill -9 and power loss at any moment.
//
// A store maps keys to record bytes and has a bounded number of entries.  Beyond its limit it
// drops, the oldest first: entries without an answer (todo), then temporary answers, then negative
// ones, then positive ones.
//
// A change is visible at once.  It is kept in memory until flush() writes all changes in one
// transaction.  A damaged file never stops mail: the store renames it to PATH.damaged, creates a
// new one, and has a notice for the log.
//
// Threads: none.  Blocking: flush() and walk() may wait for the disk.
// Tests: tests/cache/store_test.cc, lmdb_store_test.cc
#ifndef QV_CACHE_STORE_H_
#define QV_CACHE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "maps/lmdb_env.h"
#include "maps/map.h"

namespace qv::cache {

class CacheStore {
 public:
  enum class Walk : std::uint8_t { go_on, stop };
  using Visitor = std::function<Walk(std::string_view key, std::string_view value)>;

  // Opens the file at `path`, after a child process has checked it; creates it if there is none.
  // `path` empty: the entries are gone with the process.  Errors: cannot create or open the file.
  // REQUIRES: max_entries >= 1.
  [[nodiscard]] static Result<std::unique_ptr<CacheStore>> open(const std::string& path,
                                                                std::size_t max_entries);

  virtual ~CacheStore() = default;
  CacheStore(const CacheStore&) = delete;
  CacheStore& operator=(const CacheStore&) = delete;

  // Virtual, so that a test can have a store that fails.

  // found: `value` is the record's bytes.  absent: `value` is untouched.  Error: undecided.
  [[nodiscard]] virtual Result<maps::Answer> lookup(std::string_view key, std::string& value);
  // Stores or replaces an entry.  REQUIRES: 1 <= key.size() <= kMaxCacheKey.
  [[nodiscard]] virtual Result<void> put(std::string_view key, std::string_view value);
  // found: it is gone.  absent: there was none.
  [[nodiscard]] virtual Result<maps::Answer> erase(std::string_view key);
  // Visits the entries after `after` in the order of their keys, until the visitor says stop.
  // REQUIRES: the visitor does not change the store.
  [[nodiscard]] virtual Result<void> walk(std::string_view after, const Visitor& visitor);

  // Number of entries.
  [[nodiscard]] std::size_t size() const { return size_; }
  // Writes all changes to disk.  After an Error they stay visible, and the next flush() tries
  // again.
  [[nodiscard]] Result<void> flush();
  // Damage that the operator must know about, once; empty: none.
  [[nodiscard]] std::string take_notice() { return std::exchange(notice_, {}); }

 protected:
  CacheStore(std::string path, std::size_t max_entries)
      : path_(std::move(path)), max_entries_(max_entries) {}

 private:
  // By key; nullopt: erase it.
  using Changes = std::map<std::string, std::optional<std::string>, std::less<>>;

  [[nodiscard]] bool has_file() const { return !path_.empty(); }
  [[nodiscard]] Result<void> open_env();
  [[nodiscard]] Result<void> replace_file(const Error& why);
  // Replaces the file if `done` says that it is damaged.  The result to return.
  [[nodiscard]] Result<void> checked(Result<void> done);
  [[nodiscard]] Result<void> checked(const Result<int>& code, const char* what);
  // found: there was an entry.
  [[nodiscard]] Result<maps::Answer> change(std::string_view key, std::optional<std::string> value);
  [[nodiscard]] Result<void> drop_surplus();
  [[nodiscard]] Result<void> count_entries();
  [[nodiscard]] Result<void> write(const Changes& changes);
  [[nodiscard]] Result<void> walk_flushed(std::string_view after, const Visitor& visitor);

  std::string path_;
  std::size_t max_entries_;
  std::optional<maps::LmdbEnv> env_;
  // Invariant: the entries are those of env_ with these changes; without a file, these, and none of
  // them is to be erased.
  Changes changes_;
  std::size_t size_ = 0;
  std::string notice_;
};

// Visits every entry of an LMDB file and never writes to it.  Keys and values come without the NUL
// at their end that some of Postfix's tables have.  Errors: cannot open it, it is damaged.
[[nodiscard]] Result<void> walk_lmdb_file(const std::string& path,
                                          const CacheStore::Visitor& visitor);

// A full store drops the entries of least worth first.  The first number is 0 for damaged and todo,
// 1 temporary, 2 negative, 3 positive; the second the time of the last change.
using Worth = std::pair<std::uint8_t, std::int64_t>;
[[nodiscard]] Worth worth_of(std::string_view record);

// How many entries a store drops at a time, so that a full one does not do so for each new entry.
// 0: it is not over its limit.
[[nodiscard]] constexpr std::size_t eviction_count(std::size_t entries, std::size_t max_entries) {
  return entries <= max_entries ? 0 : entries - max_entries + max_entries / 20;
}

}  // namespace qv::cache

#endif  // QV_CACHE_STORE_H_
