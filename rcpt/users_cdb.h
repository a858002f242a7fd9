// SPDX-License-Identifier: 0BSD
// rcpt/users_cdb.h - qmail's users/cdb: which local part belongs to whom.
//
// As qmail-lspawn: key `!` + local part + NUL is an exact assignment; else `!` + each prefix,
// longest first, tried only where the prefix's last character is among those stored under the empty
// key, or the prefix is empty.  Letters are lower-cased before they are looked up; the characters
// under the empty key are taken as they stand, so a wildcard that ends in an upper-case letter is
// found no more than qmail-lspawn finds it.
//
// A file without the empty key is not a users/cdb and answers Fault, like a damaged one.  No file
// is an answer: passwd decides.
//
// Threads: none.  Blocking: refresh() opens a local file; find() reads the mapping.
// find() does not allocate.  Manual: qmail-verify(8), qmail-users(5).
// Tests: tests/rcpt/users_cdb_test.cc, fuzz_users_cdb.cc
#ifndef QV_RCPT_USERS_CDB_H_
#define QV_RCPT_USERS_CDB_H_

#include <sys/types.h>

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"
#include "rcpt/fixed_text.h"
#include "rcpt/lookups.h"
#include "rcpt/watched_cdb.h"

namespace qv {

inline constexpr std::size_t kMaxLocal = 2048;  // bytes of a local part, prefix of virtualdomains
                                                // included
inline constexpr std::size_t kMaxHome = 4095;   // bytes of a path
inline constexpr std::size_t kMaxLogin = 255;   // bytes of a login name
inline constexpr std::size_t kMaxDash = 255;    // bytes
inline constexpr std::size_t kMaxStoredExt = 1024;  // bytes of ext as stored in a record

// A record, copied: a mapped file may be cut short while its record is being used.
struct UserRecord {
  FixedText<kMaxLogin> user;
  uid_t uid = 0;
  gid_t gid = 0;
  FixedText<kMaxHome> home;
  FixedText<kMaxDash> dash;
  FixedText<kMaxStoredExt> ext;  // without the rest of the local part

  // Where the record cannot be used, the position (protocol, high nibble) that says so: 3 to 7, cut
  // short after user, uid, gid, home or dash.  A field that is there but nonsense counts as the
  // position it stands at: uid and gid must be decimal and in range (4, 5), home absolute (6),
  // nothing longer than the limits above.  0: the record is whole.
  std::uint8_t broken_at = 0;

  // How it was found.
  OwnerSource source = OwnerSource::passwd;
  std::string_view matched;  // the part of the local part that the key of users/cdb holds
  std::string_view rest;     // and what is to be appended to ext
};

// The owner of the mailbox, for look-ups; its views are into `record`.
[[nodiscard]] Owner owner_of(const UserRecord& record);

// Sets all but how it was found.
void parse_user_record(std::string_view bytes, UserRecord& record);

// Fetches the memory that a look-up in a large cdb will read, before it is needed: a batch of
// queries then waits for memory once and not one after the other.  Nothing is decided here: a wrong
// guess costs a little time.
class CdbPrefetch {
 public:
  // Nothing to fetch.
  CdbPrefetch() = default;
  // Begins to fetch the slot of the key: `before`, `text` in lower case, `after`.  Nothing where
  // `cdb` is null or small enough to stay in the processor's caches.
  CdbPrefetch(const CdbFile* cdb, std::string_view before, std::string_view text,
              std::string_view after);
  // Begins to fetch the record that the slot leads to.
  void fetch_record() const;

  [[nodiscard]] const CdbFile* table() const { return cdb_; }
  [[nodiscard]] std::uint32_t hash() const { return hash_; }

 private:
  const CdbFile* cdb_ = nullptr;
  std::uint32_t hash_ = CdbFile::kHashOfNothing;
};

class UsersCdb {
 public:
  // `path`: $QMAILHOME/users/cdb.  Opens nothing yet.
  explicit UsersCdb(std::string path);

  // As WatchedCdb's.
  Change refresh(std::int64_t now_us, std::vector<Problem>& problems);
  void force() { file_.force(); }

  // found: `record` is set, and may be broken.  absent: no assignment, or no file: `record` is
  // unspecified.  Error: cannot say.  `record` holds views into `local`.
  [[nodiscard]] Result<Answer> find(std::string_view local, UserRecord& record) const;

  // REQUIRES: no refresh() before the CdbPrefetch is gone.
  [[nodiscard]] CdbPrefetch prefetch(std::string_view local) const;

  // absent: there is no file.  Error: there is one that cannot be used.
  [[nodiscard]] Result<Answer> exists() const;

 private:
  [[nodiscard]] Result<Answer> search(const CdbFile& cdb, std::string_view local,
                                      UserRecord& record, std::string_view& value) const;
  void read_wildcards();

  WatchedCdb file_;
  std::bitset<256> wildcards_;
};

}  // namespace qv

#endif  // QV_RCPT_USERS_CDB_H_
