// SPDX-License-Identifier: 0BSD
#include "cache/lmdb_store.h"

#include <errno.h>
#include <stdio.h>

#include <vector>

#include "cache/record.h"
#include "core/fault.h"
#include "core/text.h"

namespace qv {

namespace {

// Bounds the memory while the disk takes no changes.
constexpr std::size_t kMaxUnwritten = 20000;

std::string_view without_nul(std::string_view s) {
  return !s.empty() && s.back() == '\0' ? first_bytes(s, s.size() - 1) : s;
}

// Visits the entries after `after`, a thousand at a time, so that a slow visitor locks nobody out.
Result<void> walk_env(LmdbEnv& env, std::string_view after, const CacheStore::Visitor& visitor) {
  constexpr std::size_t kAtATime = 1000;
  std::vector<std::pair<std::string, std::string>> some;
  std::string last(after);
  do {
    some.clear();
    QV_TRY(const int code, env.read([&](MDB_txn* txn, MDB_dbi dbi) {
      LmdbCursor cursor(txn, dbi);
      MDB_val key{};
      MDB_val value{};
      int found = cursor.get_after(last, key, value);
      for (; found == 0; found = cursor.get(key, value, MDB_NEXT)) {
        some.emplace_back(from_lmdb(key), from_lmdb(value));
        if (some.size() == kAtATime) break;
      }
      return found;
    }));
    if (code != 0 && code != MDB_NOTFOUND) return lmdb_error(code, "read the cache");
    for (const auto& [key, value] : some) {
      if (visitor(key, value) == CacheStore::Walk::stop) return {};
    }
    if (!some.empty()) last = some.back().first;
  } while (some.size() == kAtATime);
  return {};
}

}  // namespace

Result<std::unique_ptr<LmdbStore>> LmdbStore::open(const std::string& path,
                                                   std::size_t max_entries) {
  QV_CHECK(max_entries >= 1);
  std::unique_ptr<LmdbStore> store(new LmdbStore(path, max_entries));
  const Result<void> opened = store->open_env();
  if (opened.ok()) return store;
  if (!means_damage(opened.error())) return opened.error();
  QV_TRY_VOID(store->replace_file(opened.error()));
  return store;
}

Result<void> LmdbStore::open_env() {
  std::string detail;
  QV_TRY(LmdbEnv env, LmdbEnv::open(path_, LmdbMode::make, detail));
  env_.emplace(std::move(env));
  return count_entries();
}

Result<void> LmdbStore::count_entries() {
  MDB_stat stat{};
  QV_TRY(const int code,
         env_->read([&](MDB_txn* txn, MDB_dbi dbi) { return mdb_stat(txn, dbi, &stat); }));
  if (code != 0) return lmdb_error(code, "read the cache");
  size_ = stat.ms_entries;
  return {};
}

Result<void> LmdbStore::replace_file(const Error& why) {
  env_.reset();
  unwritten_.clear();
  size_ = 0;
  const std::string aside = path_ + ".damaged";
  if (rename(path_.c_str(), aside.c_str()) != 0 && errno != ENOENT) return errno_error("rename");
  notice_ = "the verification cache " + path_ + " is damaged (" + why.what + "): renamed to " +
            aside + ", starting with an empty one";
  return open_env();
}

Error LmdbStore::after(Error error) {
  if (!means_damage(error)) return error;
  const Result<void> replaced = replace_file(error);
  return replaced.ok() ? Error{Fault::retry, 0, error.what} : replaced.error();
}

Result<void> LmdbStore::check(const Result<int>& code, const char* what) {
  if (!code.ok()) return after(code.error());
  const bool done = code.value() == 0 || code.value() == MDB_NOTFOUND;
  return done ? Result<void>() : after(lmdb_error(code.value(), what));
}

Result<Answer> LmdbStore::lookup(std::string_view key, std::string& value) {
  if (const auto change = unwritten_.find(key); change != unwritten_.end()) {
    if (!change->second) return Answer::absent;
    value = *change->second;
    return Answer::found;
  }
  if (key.empty() || key.size() > LmdbEnv::kMaxKey) return Answer::absent;
  if (!env_) QV_TRY_VOID(open_env());
  Answer answer = Answer::absent;
  const Result<int> code = env_->read([&](MDB_txn* txn, MDB_dbi dbi) {
    MDB_val wanted = to_lmdb(key);
    MDB_val found{};
    const int got = mdb_get(txn, dbi, &wanted, &found);
    if (got != 0) return got;
    value = from_lmdb(found);
    answer = Answer::found;
    return 0;
  });
  QV_TRY_VOID(check(code, "read the cache"));
  return answer;
}

Result<Answer> LmdbStore::change(std::string_view key, std::optional<std::string> value) {
  std::string old;
  QV_TRY(const Answer was, lookup(key, old));
  if (was == Answer::absent && !value) return was;
  auto change = unwritten_.find(key);
  if (change == unwritten_.end()) {
    if (unwritten_.size() >= kMaxUnwritten) return Error{Fault::retry, ENOSPC, "cache"};
    change = unwritten_.emplace(key, std::nullopt).first;
  }
  if (was == Answer::absent) ++size_;
  if (!value) --size_;
  change->second = std::move(value);
  return was;
}

Result<void> LmdbStore::put(std::string_view key, std::string_view value) {
  QV_CHECK(!key.empty() && key.size() <= kMaxCacheKey);
  QV_TRY_VOID(change(key, std::string(value)));
  return {};
}

Result<Answer> LmdbStore::erase(std::string_view key) { return change(key, std::nullopt); }

Result<void> LmdbStore::flush() {
  if (!env_) QV_TRY_VOID(open_env());
  QV_TRY_VOID(write(unwritten_));
  unwritten_.clear();
  // The tools write to the same file.
  const Result<void> counted = count_entries();
  if (!counted.ok()) return after(counted.error());
  return drop_surplus();
}

Result<void> LmdbStore::drop_surplus() {
  const std::size_t surplus = eviction_count(size_, max_entries_);
  if (surplus == 0) return {};
  WorthOfKeys worths;
  const Result<void> walked =
      walk_env(*env_, {}, [&](std::string_view key, std::string_view value) {
        worths.emplace_back(worth_of(value), key);
        return Walk::go_on;
      });
  if (!walked.ok()) return after(walked.error());
  Changes gone;
  for (const std::string& key : least_worthy(std::move(worths), surplus)) {
    gone.emplace(key, std::nullopt);
  }
  QV_TRY_VOID(write(gone));
  size_ -= gone.size();
  return {};
}

Result<void> LmdbStore::write(const Changes& changes) {
  if (changes.empty()) return {};
  const Result<int> code = env_->change([&](MDB_txn* txn, MDB_dbi dbi) {
    for (const auto& [key, value] : changes) {
      MDB_val k = to_lmdb(key);
      MDB_val v = to_lmdb(value ? std::string_view(*value) : std::string_view());
      const int done = value ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, nullptr);
      if (done != 0 && done != MDB_NOTFOUND) return done;
    }
    return 0;
  });
  return check(code, "write the cache");
}

Result<void> LmdbStore::walk(std::string_view after_key, const Visitor& visitor) {
  QV_TRY_VOID(flush());
  const Result<void> walked = walk_env(*env_, after_key, visitor);
  return walked.ok() ? walked : after(walked.error());
}

Result<void> walk_lmdb_file(const std::string& path, const CacheStore::Visitor& visitor) {
  std::string detail;
  QV_TRY(LmdbEnv env, LmdbEnv::open(path, LmdbMode::read, detail));
  return walk_env(env, {}, [&](std::string_view key, std::string_view value) {
    return visitor(without_nul(key), without_nul(value));
  });
}

}  // namespace qv
