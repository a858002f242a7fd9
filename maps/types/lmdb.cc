// SPDX-License-Identifier: 0BSD
//@ needs: lmdb
// lmdb:/path - an LMDB file, /path.lmdb, read and written in place.
//
// Postfix ends keys and values with a NUL, other programs do not.  Look-ups try both; new entries
// get a NUL where the first record has one.  Manual: qmail-map-cdb(5).
#include <lmdb.h>

#include "maps/atomic_file.h"
#include "maps/lmdb_env.h"
#include "maps/spec.h"
#include "maps/table_builder.h"

namespace qv::maps {

namespace {

// LMDB has neither empty keys nor longer ones.
bool can_be_key(std::string_view key) { return !key.empty() && key.size() <= LmdbEnv::kMaxKey; }

std::string_view without_nul(std::string_view s) {
  if (!s.empty() && s.back() == '\0') s.remove_suffix(1);
  return s;
}

// Finds `key` as it is and then, if `try_nul`, with a NUL behind it.  0, or an LMDB error code.
int get(MDB_txn* txn, MDB_dbi dbi, std::string_view key, bool try_nul, std::string_view& value) {
  MDB_val k = to_lmdb(key);
  MDB_val v{};
  int code = can_be_key(key) ? mdb_get(txn, dbi, &k, &v) : MDB_NOTFOUND;
  if (code == 0) value = from_lmdb(v);
  if (code != MDB_NOTFOUND || !try_nul || key.size() >= LmdbEnv::kMaxKey) return code;
  const std::string ended = std::string(key) + '\0';
  k = to_lmdb(ended);
  code = mdb_get(txn, dbi, &k, &v);
  if (code == 0) value = without_nul(from_lmdb(v));
  return code;
}

class LmdbMap final : public Map {
 public:
  explicit LmdbMap(LmdbEnv env) : env_(std::move(env)) { sources_ = {env_.stamp()}; }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    QV_TRY(const int code, env_.read([&](MDB_txn* txn, MDB_dbi dbi) {
      std::string_view found;
      const int got = get(txn, dbi, key, true, found);
      if (got == 0) value = found;
      return got;
    }));
    return answer(code);
  }

  // In one transaction, and with one lock.
  void lookup_many(std::span<const std::string_view> keys, const Told& told) override {
    std::size_t done = 0;
    const Result<int> code = env_.read([&](MDB_txn* txn, MDB_dbi dbi) {
      const bool nul = ends_with_nul(txn, dbi);
      for (; done < keys.size(); ++done) {
        std::string_view found;
        const int got = get(txn, dbi, keys[done], nul, found);
        told(done, answer(got), found);
      }
      return 0;
    });
    for (; !code.ok() && done < keys.size(); ++done) told(done, code.error(), {});
  }

  Result<Answer> update(std::string_view key, std::string_view value) override {
    Answer was = Answer::absent;
    QV_TRY(const int code, env_.change([&](MDB_txn* txn, MDB_dbi dbi) {
      const std::string tail(ends_with_nul(txn, dbi) ? 1 : 0, '\0');
      const std::string whole_key = std::string(key) + tail;
      const std::string whole_value = std::string(value) + tail;
      if (!can_be_key(whole_key)) return EINVAL;
      MDB_val k = to_lmdb(whole_key);
      MDB_val v{};
      was = mdb_get(txn, dbi, &k, &v) == 0 ? Answer::found : Answer::absent;
      v = to_lmdb(whole_value);
      return mdb_put(txn, dbi, &k, &v, 0);
    }));
    if (code == EINVAL) return Error{Fault::denied, EINVAL, "LMDB keys have 1 to 511 bytes"};
    if (code != 0) return lmdb_error(code, "write LMDB file");
    return was;
  }

  Result<Answer> erase(std::string_view key) override {
    QV_TRY(const int code, env_.change([&](MDB_txn* txn, MDB_dbi dbi) {
      const std::string ended = std::string(key) + '\0';
      MDB_val k = to_lmdb(key);
      const int gone = can_be_key(key) ? mdb_del(txn, dbi, &k, nullptr) : MDB_NOTFOUND;
      if (gone != MDB_NOTFOUND || !can_be_key(ended)) return gone;
      k = to_lmdb(ended);
      return mdb_del(txn, dbi, &k, nullptr);
    }));
    return answer(code);
  }

  // Each step is a look-up of its own, so that a long walk holds no lock: the first entry after the
  // last key.
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    QV_TRY(const int code, env_.read([&](MDB_txn* txn, MDB_dbi dbi) {
      LmdbCursor cursor(txn, dbi);
      if (step == Step::first) walk_.clear();
      MDB_val k{};
      MDB_val v{};
      const int found = cursor.get_after(walk_, k, v);
      if (found != 0) return found;
      walk_ = from_lmdb(k);
      const bool nul = walk_.back() == '\0';
      key = nul ? without_nul(walk_) : std::string_view(walk_);
      value = nul ? without_nul(from_lmdb(v)) : from_lmdb(v);
      return 0;
    }));
    return answer(code);
  }

  bool is_empty() override {
    MDB_stat stat{};
    const Result<int> code =
        env_.read([&](MDB_txn* txn, MDB_dbi dbi) { return mdb_stat(txn, dbi, &stat); });
    return code.ok() && code.value() == 0 && stat.ms_entries == 0;
  }

 private:
  static Result<Answer> answer(int code) {
    if (code == MDB_NOTFOUND) return Answer::absent;
    if (code != 0) return lmdb_error(code, "read LMDB file");
    return Answer::found;
  }

  static bool ends_with_nul(MDB_txn* txn, MDB_dbi dbi) {
    LmdbCursor cursor(txn, dbi);
    MDB_val k{};
    MDB_val v{};
    const int found = cursor.get_after({}, k, v);
    return found == 0 && k.mv_size > 0 && from_lmdb(k).back() == '\0';
  }

  LmdbEnv env_;
  std::string walk_;
};

// Writes a new file in transactions of many entries each.
class LmdbTableBuilder final : public TableBuilder {
 public:
  LmdbTableBuilder(AtomicFile file, LmdbEnv env, Duplicates duplicates, DuplicateNotice notice)
      : file_(std::move(file)),
        env_(std::move(env)),
        last_(duplicates == Duplicates::keep_last),
        notice_(std::move(notice)) {}

  Result<void> add(std::string_view key, std::string_view value) override {
    if (!can_be_key(key)) return Error{Fault::config, EINVAL, "LMDB keys have 1 to 511 bytes"};
    batch_size_ += sizeof(Entry) + key.size() + value.size();
    batch_.emplace_back(key, value);
    return batch_size_ < kBatch ? Result<void>() : write_batch();
  }

  Result<void> finish(std::string& detail) override {
    QV_TRY_VOID(write_batch());
    QV_TRY_VOID(env_.sync());
    return file_.commit(detail);
  }

 private:
  static constexpr std::size_t kBatch = std::size_t{16} << 20;  // bytes
  using Entry = std::pair<std::string, std::string>;

  Result<void> write_batch() {
    // A batch that did not fit is written again; its duplicates are reported once.
    std::vector<std::string> left_out;
    QV_TRY(const int code, env_.change([&](MDB_txn* txn, MDB_dbi dbi) {
      left_out.clear();
      for (const Entry& entry : batch_) {
        const int put = put_entry(txn, dbi, entry, left_out);
        if (put != 0) return put;
      }
      return 0;
    }));
    if (code != 0) return lmdb_error(code, "write LMDB file");
    for (const std::string& key : left_out) notice_(key);
    batch_.clear();
    batch_size_ = 0;
    return {};
  }

  int put_entry(MDB_txn* txn, MDB_dbi dbi, const Entry& entry,
                std::vector<std::string>& left_out) const {
    MDB_val k = to_lmdb(entry.first);
    MDB_val v = to_lmdb(entry.second);
    MDB_val there = v;
    const int code = mdb_put(txn, dbi, &k, &there, MDB_NOOVERWRITE);
    if (code != MDB_KEYEXIST) return code;
    left_out.push_back(entry.first);
    return last_ ? mdb_put(txn, dbi, &k, &v, 0) : 0;
  }

  AtomicFile file_;
  LmdbEnv env_;
  bool last_;
  DuplicateNotice notice_;
  std::vector<Entry> batch_;
  std::size_t batch_size_ = 0;
};

Result<std::unique_ptr<TableBuilder>> begin_lmdb(AtomicFile file, Duplicates duplicates,
                                                 DuplicateNotice notice, std::string& detail) {
  QV_TRY(LmdbEnv env, LmdbEnv::open(file.temporary_path(), LmdbMode::build, detail));
  return std::unique_ptr<TableBuilder>(std::make_unique<LmdbTableBuilder>(
      std::move(file), std::move(env), duplicates, std::move(notice)));
}

Result<std::unique_ptr<Map>> open_lmdb(const MapSpec& spec, std::string& detail) {
  const std::string path = with_suffix(strip_braces(spec.name), ".lmdb");
  const LmdbMode mode = spec.options.for_update ? LmdbMode::write : LmdbMode::read;
  QV_TRY(LmdbEnv env, LmdbEnv::open(path, mode, detail));
  return std::unique_ptr<Map>(std::make_unique<LmdbMap>(std::move(env)));
}

}  // namespace

extern const MapType map_type_lmdb{"lmdb",
                                   {.writable = true, .listable = true},
                                   "/path: the LMDB file /path.lmdb",
                                   open_lmdb,
                                   ".lmdb",
                                   begin_lmdb};

}  // namespace qv::maps
