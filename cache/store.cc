// SPDX-License-Identifier: 0BSD
#include "cache/store.h"

#include <errno.h>
#include <stdio.h>

#include <algorithm>

#include "cache/record.h"
#include "core/check.h"
#include "core/fault.h"
#include "core/text.h"

namespace qv::cache {

namespace {

// Bounds the memory while the disk takes no changes.
constexpr std::size_t kMaxUnwritten = 20000;

std::string_view without_nul(std::string_view s) {
  return !s.empty() && s.back() == '\0' ? first_bytes(s, s.size() - 1) : s;
}

// Visits the entries after `after`, a thousand at a time, so that a slow visitor locks nobody out.
Result<void> walk_env(maps::LmdbEnv& env, std::string_view after,
                      const CacheStore::Visitor& visitor) {
  constexpr std::size_t kAtATime = 1000;
  std::vector<std::pair<std::string, std::string>> some;
  std::string last(after);
  do {
    some.clear();
    QV_TRY(const int code, env.read([&](MDB_txn* txn, MDB_dbi dbi) {
      maps::LmdbCursor cursor(txn, dbi);
      MDB_val key{};
      MDB_val value{};
      int found = cursor.get_after(last, key, value);
      for (; found == 0; found = cursor.get(key, value, MDB_NEXT)) {
        some.emplace_back(maps::from_lmdb(key), maps::from_lmdb(value));
        if (some.size() == kAtATime) break;
      }
      return found;
    }));
    if (code != 0 && code != MDB_NOTFOUND) return maps::lmdb_error(code, "read the cache");
    for (const auto& [key, value] : some) {
      if (visitor(key, value) == CacheStore::Walk::stop) return {};
    }
    if (!some.empty()) last = some.back().first;
  } while (some.size() == kAtATime);
  return {};
}

}  // namespace

Result<std::unique_ptr<CacheStore>> CacheStore::open(const std::string& path,
                                                     std::size_t max_entries) {
  QV_CHECK(max_entries >= 1);
  std::unique_ptr<CacheStore> store(new CacheStore(path, max_entries));
  const Result<void> opened = path.empty() ? Result<void>() : store->open_env();
  if (opened.ok()) return store;
  if (!maps::means_damage(opened.error())) return opened.error();
  QV_TRY_VOID(store->replace_file(opened.error()));
  return store;
}

Result<void> CacheStore::open_env() {
  std::string detail;
  QV_TRY(maps::LmdbEnv env, maps::LmdbEnv::open(path_, maps::LmdbMode::make, detail));
  env_.emplace(std::move(env));
  return count_entries();
}

Result<void> CacheStore::count_entries() {
  MDB_stat stat{};
  QV_TRY(const int code,
         env_->read([&](MDB_txn* txn, MDB_dbi dbi) { return mdb_stat(txn, dbi, &stat); }));
  if (code != 0) return maps::lmdb_error(code, "read the cache");
  size_ = stat.ms_entries;
  return {};
}

Result<void> CacheStore::replace_file(const Error& why) {
  env_.reset();
  changes_.clear();
  size_ = 0;
  const std::string aside = path_ + ".damaged";
  if (rename(path_.c_str(), aside.c_str()) != 0 && errno != ENOENT) return errno_error("rename");
  notice_ = "the verification cache " + path_ + " is damaged (" + why.what + "): renamed to " +
            aside + ", starting with an empty one";
  return open_env();
}

Result<void> CacheStore::checked(Result<void> done) {
  if (done.ok() || !maps::means_damage(done.error())) return done;
  QV_TRY_VOID(replace_file(done.error()));
  return Error{Fault::retry, 0, done.error().what};
}

Result<void> CacheStore::checked(const Result<int>& code, const char* what) {
  if (!code.ok()) return checked(code.error());
  const bool done = code.value() == 0 || code.value() == MDB_NOTFOUND;
  return done ? Result<void>() : checked(maps::lmdb_error(code.value(), what));
}

Result<maps::Answer> CacheStore::lookup(std::string_view key, std::string& value) {
  if (const auto change = changes_.find(key); change != changes_.end()) {
    if (!change->second) return maps::Answer::absent;
    value = *change->second;
    return maps::Answer::found;
  }
  if (!has_file() || key.empty() || key.size() > maps::LmdbEnv::kMaxKey)
    return maps::Answer::absent;
  if (!env_) QV_TRY_VOID(open_env());
  maps::Answer answer = maps::Answer::absent;
  const Result<int> code = env_->read([&](MDB_txn* txn, MDB_dbi dbi) {
    MDB_val wanted = maps::to_lmdb(key);
    MDB_val found{};
    const int got = mdb_get(txn, dbi, &wanted, &found);
    if (got != 0) return got;
    value = maps::from_lmdb(found);
    answer = maps::Answer::found;
    return 0;
  });
  QV_TRY_VOID(checked(code, "read the cache"));
  return answer;
}

Result<maps::Answer> CacheStore::change(std::string_view key, std::optional<std::string> value) {
  std::string old;
  QV_TRY(const maps::Answer was, lookup(key, old));
  if (was == maps::Answer::absent && !value) return was;
  auto change = changes_.find(key);
  if (change == changes_.end()) {
    if (has_file() && changes_.size() >= kMaxUnwritten) return Error{Fault::retry, ENOSPC, "cache"};
    change = changes_.emplace(key, std::nullopt).first;
  }
  if (was == maps::Answer::absent) ++size_;
  if (!value) --size_;
  const bool forgets = !has_file() && !value;
  change->second = std::move(value);
  if (forgets) changes_.erase(change);
  return was;
}

Result<void> CacheStore::put(std::string_view key, std::string_view value) {
  QV_CHECK(!key.empty() && key.size() <= kMaxCacheKey);
  QV_TRY_VOID(change(key, std::string(value)));
  return has_file() ? Result<void>() : drop_surplus();
}

Result<maps::Answer> CacheStore::erase(std::string_view key) { return change(key, std::nullopt); }

Result<void> CacheStore::flush() {
  if (!has_file()) return {};
  if (!env_) QV_TRY_VOID(open_env());
  QV_TRY_VOID(write(changes_));
  changes_.clear();
  // The commands write to the same file.
  QV_TRY_VOID(checked(count_entries()));
  return drop_surplus();
}

Result<void> CacheStore::drop_surplus() {
  const std::size_t surplus = eviction_count(size_, max_entries_);
  if (surplus == 0) return {};
  std::vector<std::pair<Worth, std::string>> entries;
  QV_TRY_VOID(walk_flushed({}, [&](std::string_view key, std::string_view value) {
    entries.emplace_back(worth_of(value), key);
    return Walk::go_on;
  }));
  const auto end = entries.begin() + static_cast<std::ptrdiff_t>(std::min(surplus, entries.size()));
  std::nth_element(entries.begin(), end, entries.end());
  Changes gone;
  for (auto entry = entries.begin(); entry != end; ++entry) {
    gone.emplace(std::move(entry->second), std::nullopt);
  }
  if (has_file()) {
    QV_TRY_VOID(write(gone));
  } else {
    std::erase_if(changes_, [&](const auto& entry) { return gone.contains(entry.first); });
  }
  size_ -= gone.size();
  return {};
}

Result<void> CacheStore::write(const Changes& changes) {
  if (changes.empty()) return {};
  const Result<int> code = env_->change([&](MDB_txn* txn, MDB_dbi dbi) {
    for (const auto& [key, value] : changes) {
      MDB_val k = maps::to_lmdb(key);
      MDB_val v = maps::to_lmdb(value ? std::string_view(*value) : std::string_view());
      const int done = value ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, nullptr);
      if (done != 0 && done != MDB_NOTFOUND) return done;
    }
    return 0;
  });
  return checked(code, "write the cache");
}

Result<void> CacheStore::walk(std::string_view after, const Visitor& visitor) {
  QV_TRY_VOID(flush());
  return walk_flushed(after, visitor);
}

Result<void> CacheStore::walk_flushed(std::string_view after, const Visitor& visitor) {
  if (has_file()) return checked(walk_env(*env_, after, visitor));
  for (auto entry = changes_.upper_bound(after); entry != changes_.end(); ++entry) {
    if (visitor(entry->first, *entry->second) == Walk::stop) break;
  }
  return {};
}

Result<void> walk_lmdb_file(const std::string& path, const CacheStore::Visitor& visitor) {
  std::string detail;
  QV_TRY(maps::LmdbEnv env, maps::LmdbEnv::open(path, maps::LmdbMode::read, detail));
  return walk_env(env, {}, [&](std::string_view key, std::string_view value) {
    return visitor(without_nul(key), without_nul(value));
  });
}

Worth worth_of(std::string_view bytes) {
  constexpr std::uint8_t kWorth[] = {3, 1, 2, 0};  // of ok, defer, bounce, todo
  CacheRecord record;
  if (parse_record(bytes, record) == RecordForm::damaged) return {};
  return {kWorth[static_cast<std::size_t>(record.status)], std::max(record.probed, record.updated)};
}

}  // namespace qv::cache
