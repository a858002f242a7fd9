// SPDX-License-Identifier: 0BSD
// cache/lmdb_store.h - the cache in an LMDB file: survives kill -9 and power loss at any moment.
//
// Changes are kept in memory and written by flush(), all or none.  A damaged file never stops mail:
// it is set aside as PATH.damaged, a new one is begun, and take_notice() has a line to log loudly.
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
  // Checks the file (in a child process), opens it, makes it where there is none.  `path` is the
  // file itself.  Errors: cannot make or open it.
  [[nodiscard]] static Result<std::unique_ptr<LmdbStore>> open(const std::string& path,
                                                               std::size_t max_entries);

  [[nodiscard]] Result<Answer> lookup(std::string_view key, std::string& value) override;
  [[nodiscard]] Result<void> put(std::string_view key, std::string_view value) override;
  [[nodiscard]] Result<Answer> erase(std::string_view key) override;
  [[nodiscard]] Result<void> walk(std::string_view after, const Visitor& visitor) override;
  [[nodiscard]] std::size_t size() const override { return size_; }
  [[nodiscard]] Result<void> flush() override;

  // What has happened to the file that its operator must know, once; empty: nothing.
  [[nodiscard]] std::string take_notice() { return std::exchange(notice_, {}); }

 private:
  LmdbStore(std::string path, std::size_t max_entries)
      : path_(std::move(path)), max_entries_(max_entries) {}

  // By key; nullopt: erase it.
  using Changes = std::map<std::string, std::optional<std::string>, std::less<>>;

  [[nodiscard]] Result<void> open_env();
  [[nodiscard]] Result<void> begin_afresh(const Error& why);
  // The Error; where it says that the file is damaged a new one has been begun.
  [[nodiscard]] Error after(Error error);
  [[nodiscard]] Result<void> note_change(std::string_view key, std::optional<std::string> value);
  [[nodiscard]] Result<void> forget_surplus();
  [[nodiscard]] Result<void> count_entries();
  // Makes all changes, or none.
  [[nodiscard]] Result<void> write_changes(const Changes& changes);

  std::string path_;
  std::size_t max_entries_;
  std::optional<LmdbEnv> env_;
  // Invariant: what the store answers is env_ with these changes made to it.
  Changes unwritten_;
  std::size_t size_ = 0;
  std::string notice_;
};

// Visits every entry of another LMDB file, which is only read; a NUL at the end of keys and values,
// as some of Postfix's tables have it, is left out.  Errors: cannot open it, it is damaged.
[[nodiscard]] Result<void> walk_lmdb_file(const std::string& path,
                                          const CacheStore::Visitor& visitor);

}  // namespace qv

#endif  // QV_CACHE_LMDB_STORE_H_
