// SPDX-License-Identifier: 0BSD
#include "rcpt/users_cdb.h"

#include <cstdint>
#include <utility>

#include "core/fault.h"
#include "core/text.h"

namespace qv::rcpt {

namespace {

// Bytes; a smaller table stays in the caches anyway.
constexpr std::uint64_t kLargeTable = 1u << 20;

// 2^32 - 1 means "no change" to the calls that set ids.
constexpr std::uint64_t kMaxUserId = 0xfffffffeu;

Result<void> has_empty_key(const maps::CdbFile& cdb) {
  std::string_view value;
  QV_TRY(const maps::Answer answer, cdb.find({}, value));
  if (answer == maps::Answer::absent)
    return Error{Fault::config, 0, "no wildcard characters in it"};
  return {};
}

// Cuts off the field before the next NUL; false where nothing is left to be cut.
// As qmail-lspawn, which ends the record with a NUL of its own: the last field needs none.
bool take_field(std::string_view& rest, bool& more, std::string_view& field) {
  if (!more) return false;
  const std::size_t at = find_byte(rest, '\0');
  field = first_bytes(rest, at);
  more = at < rest.size();
  rest = after_bytes(rest, at + 1);
  return true;
}

bool parse_id(std::string_view field, std::uint32_t& id) {
  std::uint64_t number = 0;
  if (!parse_decimal(field, kMaxUserId, number)) return false;
  id = static_cast<std::uint32_t>(number);
  return true;
}

// 0, or the position that says where the record is broken.
std::uint8_t parse_fields(std::string_view bytes, UserRecord& record) {
  bool more = true;
  std::string_view field;
  const auto next = [&] { return take_field(bytes, more, field); };
  if (!next() || !record.user.assign(field) || !next()) return 3;
  if (!parse_id(field, record.uid) || !next()) return 4;
  if (!parse_id(field, record.gid) || !next()) return 5;
  if (!record.home.assign(field) || !starts_with(field, "/") || !next()) return 6;
  if (!record.dash.assign(field) || !next() || !record.ext.assign(field)) return 7;
  return 0;
}

// `!`, the local part in lower case, NUL; and the hash of each beginning of it.
class LocalKey {
 public:
  // False where the local part is too long.
  [[nodiscard]] bool set(std::string_view local) {
    if (local.size() > kMaxLocal) return false;
    put('!');
    for (const char c : local) put(ascii_lower(c));
    put('\0');
    return true;
  }
  [[nodiscard]] std::string_view first(std::size_t n) const { return {bytes_, n}; }
  [[nodiscard]] std::string_view whole() const { return first(size_); }
  // REQUIRES: 0 < n <= size of the whole.
  [[nodiscard]] std::uint32_t hash_of_first(std::size_t n) const { return hashes_[n - 1]; }

 private:
  void put(char c) {
    hash_ = maps::CdbFile::hash_on(hash_, c);
    bytes_[size_] = c;
    hashes_[size_] = hash_;
    ++size_;
  }
  std::size_t size_ = 0;
  std::uint32_t hash_ = maps::CdbFile::kHashOfNothing;
  char bytes_[kMaxLocal + 2];
  std::uint32_t hashes_[kMaxLocal + 2];
};

}  // namespace

Result<std::optional<maps::CdbFile>> WatchedCdb::read(control::SourceStamp& seen) const {
  // Taken before the file is opened: another file in between has another stamp.
  seen = {control::take_stamp(path_.c_str()), path_};
  Result<maps::CdbFile> cdb = maps::CdbFile::open(path_.c_str());
  if (!cdb.ok() && errno_means_absent(cdb.error().errnum)) {
    if (missing_ != nullptr) return Error{Fault::config, 0, missing_};
    return std::optional<maps::CdbFile>{};
  }
  if (!cdb.ok()) return cdb.error();
  QV_TRY_VOID(check_(cdb.value()));
  return std::optional<maps::CdbFile>(std::move(cdb).value());
}

control::Change WatchedCdb::refresh(std::int64_t now_us, std::vector<control::Problem>& problems) {
  const control::Reload came =
      cdb_.refresh(now_us, [this](auto& files) { return read(files.emplace_back()); });
  if (came == control::Reload::failed) {
    cdb_.drop();
    if (std::string text = cdb_.take_trouble(); !text.empty()) {
      problems.push_back({name_, 0, std::move(text)});
    }
  }
  return came == control::Reload::none ? control::Change::none : control::Change::changed;
}

Result<const maps::CdbFile*> WatchedCdb::current() const {
  const std::optional<maps::CdbFile>* cdb = cdb_.value();
  if (cdb == nullptr) return *cdb_.error();
  return *cdb ? &**cdb : nullptr;
}

void parse_user_record(std::string_view bytes, UserRecord& record) {
  record.uid = 0;
  record.gid = 0;
  record.broken_at = parse_fields(bytes, record);
}

UsersCdb::UsersCdb(std::string path)
    : WatchedCdb(std::move(path), "users/cdb", has_empty_key, nullptr) {}

control::Change UsersCdb::refresh(std::int64_t now_us, std::vector<control::Problem>& problems) {
  const control::Change change = WatchedCdb::refresh(now_us, problems);
  if (change == control::Change::none) return change;
  wildcards_.reset();
  const Result<const maps::CdbFile*> cdb = current();
  std::string_view characters;
  if (cdb.ok() && cdb.value() != nullptr && cdb.value()->find({}, characters).ok()) {
    for (const char c : characters) wildcards_.set(static_cast<unsigned char>(c));
  }
  return change;
}

Owner owner_of(const UserRecord& record) {
  return {record.user.view(), record.uid,    record.gid,
          record.home.view(), record.source, record.matched};
}

Result<maps::Answer> UsersCdb::search(const maps::CdbFile& cdb, std::string_view local,
                                      UserRecord& record, std::string_view& value) const {
  LocalKey key;
  if (!key.set(local)) return Error{Fault::config, 0, "local part too long"};
  record.source = OwnerSource::exact;
  record.matched = local;
  record.rest = {};
  QV_TRY(const maps::Answer exact,
         cdb.find(key.whole(), key.hash_of_first(local.size() + 2), value));
  if (exact == maps::Answer::found) return exact;

  record.source = OwnerSource::wildcard;
  for (std::size_t size = local.size();; --size) {
    const std::string_view prefix = key.first(size + 1);
    if (size == 0 || wildcards_.test(static_cast<unsigned char>(prefix.back()))) {
      record.matched = first_bytes(local, size);
      record.rest = after_bytes(local, size);
      // A local part of hundreds of dashes must not be hashed anew for each.
      QV_TRY(maps::Answer wild, cdb.may_hold(key.hash_of_first(size + 1)));
      if (wild == maps::Answer::found) {
        QV_TRY(wild, cdb.find(prefix, value));
      }
      if (wild == maps::Answer::found) return wild;
    }
    if (size == 0) return maps::Answer::absent;
  }
}

CdbPrefetch::CdbPrefetch(const maps::CdbFile* cdb, std::string_view before, std::string_view text,
                         std::string_view after) {
  if (cdb == nullptr || cdb->size() < kLargeTable) return;
  cdb_ = cdb;
  for (const char c : before) hash_ = maps::CdbFile::hash_on(hash_, c);
  for (const char c : text) hash_ = maps::CdbFile::hash_on(hash_, ascii_lower(c));
  for (const char c : after) hash_ = maps::CdbFile::hash_on(hash_, c);
  cdb_->prefetch(hash_, maps::CdbFile::Ahead::slot);
}

void CdbPrefetch::fetch_record() const {
  if (cdb_ != nullptr) cdb_->prefetch(hash_, maps::CdbFile::Ahead::record);
}

CdbPrefetch UsersCdb::prefetch(std::string_view local) const {
  const Result<const maps::CdbFile*> cdb = current();
  if (!cdb.ok()) return {};
  return CdbPrefetch(cdb.value(), "!", local, std::string_view("", 1));
}

Result<maps::Answer> UsersCdb::find(std::string_view local, UserRecord& record) const {
  QV_TRY(const maps::CdbFile* cdb, current());
  if (cdb == nullptr) return maps::Answer::absent;
  std::string_view value;
  QV_TRY(const maps::Answer answer, search(*cdb, local, record, value));
  if (answer == maps::Answer::absent) return answer;
  parse_user_record(value, record);
  // A file cut short after the key was found reads as zeros, which look like empty fields;
  // still_whole() notices that.
  QV_TRY_VOID(cdb->still_whole());
  return answer;
}

AliasKeys::AliasKeys(std::string_view user, std::string_view host) {
  const std::string_view parts[][2] = {{user, host}, {{}, host}, {user, {}}};
  for (const auto& [of_user, of_host] : parts) {
    auto& key = texts_[count_];
    if (key.assign(":") && key.append_lower(of_user) && key.append('@') &&
        key.append_lower(of_host)) {
      views_[count_++] = key.view();
    }
  }
}

Result<maps::Answer> FastforwardCdb::find(std::string_view user, std::string_view host) const {
  QV_TRY(const maps::CdbFile* cdb, current());
  const AliasKeys keys(user, host);
  QV_TRY(const maps::TableFinding found,
         maps::find_first_key(*cdb, maps::TableKind::aliases, keys.view(), 0));
  return found.answer;
}

}  // namespace qv::rcpt
