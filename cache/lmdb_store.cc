// SPDX-License-Identifier: 0BSD
#include "cache/lmdb_store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "cache/evict.h"
#include "cache/record.h"
#include "core/fault.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr unsigned kCheckSeconds = 60;
constexpr std::size_t kSmallestMap = std::size_t{64} << 20;
// Pages are half full at worst, and a commit writes those it touches anew.
constexpr std::size_t kMapBytesPerEntry = 4096;
// So many changes may wait for a disk that does not take them.
constexpr std::size_t kMaxUnwritten = 20000;

std::string_view without_nul(std::string_view s) {
  return !s.empty() && s.back() == '\0' ? first_bytes(s, s.size() - 1) : s;
}

}  // namespace

Result<std::unique_ptr<LmdbStore>> LmdbStore::open(const std::string& path,
                                                   std::size_t max_entries) {
  QV_CHECK(max_entries >= 1);
  std::unique_ptr<LmdbStore> store(new LmdbStore(path, max_entries));
  struct stat file {};
  // An empty file is one that is about to be made.
  if (stat(path.c_str(), &file) == 0 && file.st_size > 0) {
    const Result<void> checked =
        LmdbFile::check_in_child(path, LmdbFile::Access::read_write, kCheckSeconds);
    if (!checked.ok()) {
      if (checked.error().fault != Fault::protocol) return checked.error();
      QV_TRY_VOID(store->begin_afresh(checked.error()));
      return store;
    }
  }
  const Result<void> opened = store->open_env();
  if (!opened.ok() && opened.error().fault == Fault::protocol) {
    QV_TRY_VOID(store->begin_afresh(opened.error()));
    return store;
  }
  if (!opened.ok()) return opened.error();
  return store;
}

Result<void> LmdbStore::open_env() {
  const std::size_t map_bytes = std::max(kSmallestMap, max_entries_ * kMapBytesPerEntry);
  QV_TRY(LmdbFile env, LmdbFile::open(path_, LmdbFile::Access::read_write, map_bytes));
  QV_TRY(size_, env.entries());
  env_.emplace(std::move(env));
  return {};
}

Result<void> LmdbStore::begin_afresh(const Error& why) {
  env_.reset();
  unwritten_.clear();
  size_ = 0;
  const std::string aside = path_ + ".damaged";
  if (rename(path_.c_str(), aside.c_str()) != 0 && errno != ENOENT) return errno_error("rename");
  // The lock file belongs to the old file's pages.
  unlink((path_ + "-lock").c_str());
  notice_ = "the verification cache " + path_ + " is damaged (" + why.what + "): set aside as " +
            aside + ", beginning with an empty one";
  return open_env();
}

Error LmdbStore::after(Error error) {
  if (error.fault != Fault::protocol) return error;
  const Result<void> afresh = begin_afresh(error);
  return afresh.ok() ? Error{Fault::retry, 0, error.what} : afresh.error();
}

Result<Answer> LmdbStore::lookup(std::string_view key, std::string& value) {
  const auto change = unwritten_.find(key);
  if (change != unwritten_.end()) {
    if (!change->second) return Answer::absent;
    value = *change->second;
    return Answer::found;
  }
  if (!env_) QV_TRY_VOID(open_env());
  Result<Answer> found = env_->get(key, value);
  if (!found.ok()) return after(found.error());
  return found;
}

Result<void> LmdbStore::note_change(std::string_view key, std::optional<std::string> value) {
  const auto change = unwritten_.find(key);
  if (change != unwritten_.end()) {
    change->second = std::move(value);
    return {};
  }
  if (unwritten_.size() >= kMaxUnwritten) return Error{Fault::retry, ENOSPC, "cache"};
  unwritten_.emplace(key, std::move(value));
  return {};
}

Result<void> LmdbStore::put(std::string_view key, std::string_view value) {
  QV_CHECK(!key.empty() && key.size() <= kMaxCacheKey);
  std::string old;
  QV_TRY(const Answer was, lookup(key, old));
  QV_TRY_VOID(note_change(key, std::string(value)));
  if (was == Answer::absent) ++size_;
  return {};
}

Result<Answer> LmdbStore::erase(std::string_view key) {
  std::string old;
  QV_TRY(const Answer was, lookup(key, old));
  if (was == Answer::absent) return was;
  QV_TRY_VOID(note_change(key, std::nullopt));
  --size_;
  return was;
}

Result<void> LmdbStore::flush() {
  if (!env_) QV_TRY_VOID(open_env());
  if (!unwritten_.empty()) {
    std::vector<LmdbFile::Change> changes;
    changes.reserve(unwritten_.size());
    for (const auto& [key, value] : unwritten_) {
      changes.push_back({key, value ? std::optional<std::string_view>(*value) : std::nullopt});
    }
    const Result<void> written = env_->commit(changes);
    if (!written.ok()) return after(written.error());
    unwritten_.clear();
  }
  // The tools write to the same file: count again.
  const Result<std::size_t> entries = env_->entries();
  if (!entries.ok()) return after(entries.error());
  size_ = entries.value();
  return forget_surplus();
}

Result<void> LmdbStore::forget_surplus() {
  const std::size_t surplus = eviction_count(size_, max_entries_);
  if (surplus == 0) return {};
  Eviction eviction;
  const Result<void> walked = env_->walk({}, [&](std::string_view key, std::string_view value) {
    eviction.consider(key, value);
    return LmdbFile::Walk::go_on;
  });
  if (!walked.ok()) return after(walked.error());
  const std::vector<std::string> keys = eviction.take_least(surplus);
  std::vector<LmdbFile::Change> changes;
  changes.reserve(keys.size());
  for (const std::string& key : keys) changes.push_back({key, std::nullopt});
  const Result<void> written = env_->commit(changes);
  if (!written.ok()) return after(written.error());
  size_ -= keys.size();
  return {};
}

Result<void> LmdbStore::walk(std::string_view after_key, const Visitor& visitor) {
  QV_TRY_VOID(flush());
  const Result<void> walked =
      env_->walk(after_key, [&](std::string_view key, std::string_view value) {
        return visitor(key, value) == Walk::stop ? LmdbFile::Walk::stop : LmdbFile::Walk::go_on;
      });
  if (!walked.ok()) return after(walked.error());
  return {};
}

Result<void> walk_lmdb_file(const std::string& path, const CacheStore::Visitor& visitor) {
  constexpr std::size_t kMapBytes = std::size_t{1} << 30;
  QV_TRY_VOID(LmdbFile::check_in_child(path, LmdbFile::Access::read_only, kCheckSeconds));
  QV_TRY(LmdbFile table, LmdbFile::open(path, LmdbFile::Access::read_only, kMapBytes));
  return table.walk({}, [&](std::string_view key, std::string_view value) {
    const CacheStore::Walk next = visitor(without_nul(key), without_nul(value));
    return next == CacheStore::Walk::stop ? LmdbFile::Walk::stop : LmdbFile::Walk::go_on;
  });
}

}  // namespace qv
