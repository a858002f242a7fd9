// SPDX-License-Identifier: 0BSD
// verify/passwd.h - login names: the whole of /etc/passwd remembered, the rest asked of NSS.
//
// A helper makes the file into a table (a sealed memfd), again whenever it has changed; whether a
// name that is not in it is worth asking the name service for is what nsswitch.conf says.
//
// Threads: none.  Bounded: names remembered.  Tests: tests/verify/homes_test.cc,
// nsswitch_test.cc
#ifndef QV_VERIFY_PASSWD_H_
#define QV_VERIFY_PASSWD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/cdb_file.h"
#include "rcpt/lookups.h"
#include "verify/cached_lookup.h"

namespace qv {

struct PasswdPaths {
  std::string passwd = "/etc/passwd";
  std::string nsswitch = "/etc/nsswitch.conf";
};

// Who has to be asked whether a login name exists: getpwnam(3) may ask a directory server, and
// /etc/passwd can be remembered whole.
enum class PasswdSource : std::uint8_t {
  files_only,    // /etc/passwd is all there is
  files_first,   // a name in /etc/passwd is found there; any other has to be asked for
  name_service,  // every name has to be asked for
};

// From the text of nsswitch.conf; empty text, or none about passwd, is glibc's default: files.
// `systemd` is passed over unless `userdb` says that it serves more than the names of services
// (systemd-homed is running, or user records are installed: nss-systemd(8)).
[[nodiscard]] PasswdSource passwd_source(std::string_view nsswitch, bool userdb);

class Passwd {
 public:
  static constexpr std::size_t kMaxNames = 4096;  // asked of the name service and remembered

  Passwd(PendingLookups& lookups, PasswdPaths paths)
      : lookups_(lookups), paths_(std::move(paths)), names_(lookups, kMaxNames) {}

  // As in class Lookups.
  [[nodiscard]] Result<Look> find_user(std::string_view name, Owner& owner);

  // Forgets everything that nobody waits for.
  void forget();

 private:
  struct Index : PendingLookup {
    std::optional<CdbFile> table;
    FileStamp stamp;
  };
  struct Name {
    bool exists = false;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string user;
    std::string home;
  };

  // yes: the index may be used.  pending: it is being made.
  [[nodiscard]] Result<Look> refresh();
  [[nodiscard]] Result<Look> find_in_index(std::string_view name, Owner& owner) const;
  [[nodiscard]] Result<Look> find_by_name_service(std::string_view name, Owner& owner);
  void read_sources();
  static Result<void> take_name(helper::Reply reply, Name& name);

  PendingLookups& lookups_;
  PasswdPaths paths_;
  Index index_;
  PendingLookup sources_known_;
  PasswdSource source_ = PasswdSource::name_service;
  CachedLookup<Name> names_;
};

}  // namespace qv

#endif  // QV_VERIFY_PASSWD_H_
