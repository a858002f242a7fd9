// SPDX-License-Identifier: 0BSD
// rcpt/users_cdb.h - the cdb files that a decision reads itself: qmail's users/cdb, which says
// which local part belongs to whom, and the alias table that VERIFY_FASTFORWARDCDB names.
//
// users/cdb, as qmail-lspawn reads it: key `!` + local part + NUL is an exact assignment; else `!`
// + each prefix, longest first, tried only where the prefix is empty or its last character is among
// those stored under the empty key.  Letters are lower-cased before they are looked up; the
// characters under the empty key are not, so a wildcard that ends in an upper-case letter is never
// found, as with qmail-lspawn.  A file without the empty key is not a users/cdb: the look-up
// answers Fault, as with a damaged one.  If there is no file, passwd decides.
//
// The alias table, as setforward builds it, stands behind the alias user's .qmail-default: an
// address is in it where one of its AliasKeys is.  A table that does not exist, is damaged or is
// empty leaves the address undecided.
//
// Threads: none.  Blocking: refresh() opens a local file; look-ups read the mapping and do not
// allocate.  Owns: the mapping.  Manual: qmail-verify(8), qmail-users(5).
// Tests: tests/rcpt/users_cdb_test.cc, tests/rcpt/decide_test.cc, fuzz_users_cdb.cc
#ifndef QV_RCPT_USERS_CDB_H_
#define QV_RCPT_USERS_CDB_H_

#include <sys/types.h>

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"
#include "control/reloaded.h"
#include "maps/cdb_file.h"
#include "maps/owner_table.h"
#include "rcpt/lookups.h"

namespace qv::rcpt {

inline constexpr std::size_t kMaxLocal = 2048;  // bytes of a local part, prefix of virtualdomains
                                                // included
inline constexpr std::size_t kMaxHome = 4095;   // bytes of a path
inline constexpr std::size_t kMaxLogin = 255;   // bytes of a login name
inline constexpr std::size_t kMaxDash = 255;    // bytes
inline constexpr std::size_t kMaxStoredExt = 1024;  // bytes of ext as stored in a record

// A cdb file that is opened again when it changes.
//
// A file that is replaced by rename or rewritten is noticed within a second.  While the file is not
// a whole cdb, look-ups answer Fault: the table opened before might reject an address that its
// successor was to add.  A file rewritten in place may be read for up to a second before that is
// noticed: replace files by rename, as qmail-newu does.
class WatchedCdb {
 public:
  // What else must hold for the file to be used.
  using Check = Result<void> (*)(const maps::CdbFile& cdb);

  // `name`: what a Problem calls the file.  `missing`: the mistake it is that there is no such
  // file; null: that is an answer.
  WatchedCdb(std::string path, std::string name, Check check, const char* missing)
      : name_(std::move(name)), path_(std::move(path)), check_(check), missing_(missing) {}

  // Opens the file if it has changed.  Adds to `problems` what is wrong and was not reported
  // before, or since force().  Returns changed where the file was opened, is gone, or is damaged.
  control::Change refresh(std::int64_t now_us, std::vector<control::Problem>& problems);
  void force() { cdb_.force(); }

  // The table, or nullptr where there is no such file and that is an answer.  Error: it cannot be
  // used.  The pointer is valid until the next refresh().
  [[nodiscard]] Result<const maps::CdbFile*> current() const;

 private:
  [[nodiscard]] Result<std::optional<maps::CdbFile>> read(control::SourceStamp& seen) const;

  std::string name_;
  std::string path_;
  Check check_;
  const char* missing_;
  control::Reloaded<std::optional<maps::CdbFile>> cdb_;  // nullopt: there is no such file
};

// A record, copied: a mapped file may be cut short while its record is in use.
struct UserRecord {
  FixedText<kMaxLogin> user;
  uid_t uid = 0;
  gid_t gid = 0;
  FixedText<kMaxHome> home;
  FixedText<kMaxDash> dash;
  FixedText<kMaxStoredExt> ext;  // without the rest of the local part

  // 0: the record is whole.  Else the position (protocol, high nibble) that says why it cannot be
  // used: 3 to 7, cut short after user, uid, gid, home or dash.  A malformed field has the position
  // it stands at: uid and gid must be decimal and in range (4, 5), home absolute (6), and no field
  // longer than the limits above.
  std::uint8_t broken_at = 0;

  // How it was found.
  OwnerSource source = OwnerSource::passwd;
  std::string_view matched;  // the part of the local part that the key of users/cdb holds
  std::string_view rest;     // the part that is appended to ext
};

// The owner of the mailbox, for look-ups; its views are into `record`.
[[nodiscard]] Owner owner_of(const UserRecord& record);

// Sets all but how it was found.
void parse_user_record(std::string_view bytes, UserRecord& record);

// Fetches the memory that a look-up in a large cdb will read before it is needed, so that a batch
// of queries waits for memory once.  It decides nothing: a wrong guess costs a little time.
class CdbPrefetch {
 public:
  // Nothing to fetch.
  CdbPrefetch() = default;
  // Begins to fetch the slot of the key: `before`, `text` in lower case, `after`.  Fetches nothing
  // where `cdb` is null or small enough to stay in the processor's caches.
  CdbPrefetch(const maps::CdbFile* cdb, std::string_view before, std::string_view text,
              std::string_view after);
  // Begins to fetch the record that the slot leads to.
  void fetch_record() const;

  [[nodiscard]] const maps::CdbFile* table() const { return cdb_; }
  [[nodiscard]] std::uint32_t hash() const { return hash_; }

 private:
  const maps::CdbFile* cdb_ = nullptr;
  std::uint32_t hash_ = maps::CdbFile::kHashOfNothing;
};

class UsersCdb : private WatchedCdb {
 public:
  // `path`: $QMAILHOME/users/cdb.  Opens nothing yet.
  explicit UsersCdb(std::string path);

  control::Change refresh(std::int64_t now_us, std::vector<control::Problem>& problems);
  using WatchedCdb::current;
  using WatchedCdb::force;

  // found: `record` is set, and may be broken.  absent: no assignment, or no file: `record` is
  // unspecified.  Error: undecided.  `record` holds views into `local`.
  [[nodiscard]] Result<maps::Answer> find(std::string_view local, UserRecord& record) const;

  // REQUIRES: no refresh() while the CdbPrefetch is in use.
  [[nodiscard]] CdbPrefetch prefetch(std::string_view local) const;

 private:
  [[nodiscard]] Result<maps::Answer> search(const maps::CdbFile& cdb, std::string_view local,
                                            UserRecord& record, std::string_view& value) const;

  std::bitset<256> wildcards_;  // the characters under the empty key
};

// `:user@host`, `:@host` and `:user@` in lower case, without those too long for any address.
class AliasKeys {
 public:
  AliasKeys(std::string_view user, std::string_view host);
  AliasKeys(const AliasKeys&) = delete;
  AliasKeys& operator=(const AliasKeys&) = delete;

  // Valid as long as this object.
  [[nodiscard]] std::span<const std::string_view> view() const { return {views_, count_}; }

 private:
  FixedText<kMaxLocal + 257> texts_[maps::kMaxTableKeys];
  std::string_view views_[maps::kMaxTableKeys];
  std::size_t count_ = 0;
};

class FastforwardCdb : public WatchedCdb {
 public:
  explicit FastforwardCdb(const std::string& path)
      : WatchedCdb(path, path, maps::holds_something, "does not exist: build it with setforward") {}

  // Error: undecided.
  [[nodiscard]] Result<maps::Answer> find(std::string_view user, std::string_view host) const;
};

}  // namespace qv::rcpt

#endif  // QV_RCPT_USERS_CDB_H_
