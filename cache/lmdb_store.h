// SPDX-License-Identifier: 0BSD
// cache/lmdb_store.h - the cache in an LMDB file: survives kill -9 and power loss at any moment.
//
// Changes are kept in memory; flush() writes them in one transaction.  A damaged file never stops
// mail: the store renames it to PATH.damaged, creates a new one, and has a notice for the log.
//
// Threads: none.  Tests: tests/cache/store_test.cc, lmdb_store_test.cc
#ifndef QV_CACHE_LMDB_STORE_H_
#define QV_CACHE_LMDB_STORE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cache/store.h"
#include "maps/lmdb_env.h"

namespace qv {

class LmdbStore final : public CacheStore {
 public:
  // Opens the file at `path`, after a child process has checked it; creates it if there is none.
  // Errors: cannot create or open it.
  [[nodiscard]] static Result<std::unique_ptr<LmdbStore>> open(const std::string& path,
                                                               std::size_t max_entries);

  [[nodiscard]] Result<Answer> lookup(std::string_view key, std::string& value) override;
  [[nodiscard]] Result<void> put(std::string_view key, std::string_view value) override;
  [[nodiscard]] Result<Answer> erase(std::string_view key) override;
  [[nodiscard]] Result<void> walk(std::string_view after, const Visitor& visitor) override;
  [[nodiscard]] std::size_t size() const override { return size_; }
  [[nodiscard]] Result<void> flush() override;
  [[nodiscard]] std::string take_notice() override { return std::exchange(notice_, {}); }

 private:
  LmdbStore(std::string path, std::size_t max_entries)
      : path_(std::move(path)), max_entries_(max_entries) {}

  // By key; nullopt: erase it.
  using Changes = std::map<std::string, std::optional<std::string>, std::less<>>;

  [[nodiscard]] Result<void> open_env();
  [[nodiscard]] Result<void> replace_file(const Error& why);
  // Replaces the file if the Error says that it is damaged.  The Error to return.
  [[nodiscard]] Error after(Error error);
  [[nodiscard]] Result<void> check(const Result<int>& code, const char* what);
  // found: there was an entry.
  [[nodiscard]] Result<Answer> change(std::string_view key, std::optional<std::string> value);
  [[nodiscard]] Result<void> drop_surplus();
  [[nodiscard]] Result<void> count_entries();
  [[nodiscard]] Result<void> write(const Changes& changes);

  std::string path_;
  std::size_t max_entries_;
  std::optional<LmdbEnv> env_;
  // Invariant: the contents of the store are those of env_ with these changes.
  Changes unwritten_;
  std::size_t size_ = 0;
  std::string notice_;
};

// Visits every entry of an LMDB file and never writes to it.  Keys and values come without the NUL
// at their end that some of Postfix's tables have.  Errors: cannot open it, it is damaged.
[[nodiscard]] Result<void> walk_lmdb_file(const std::string& path,
                                          const CacheStore::Visitor& visitor);

}  // namespace qv

#endif  // QV_CACHE_LMDB_STORE_H_
