// SPDX-License-Identifier: 0BSD
// verify/passwd.h - login names: the whole of /etc/passwd remembered, the rest asked of NSS.
//
// A helper makes the file into a table (a sealed memfd), again whenever it has changed; whether a
// name that is not in it is worth asking the name service for is what nsswitch.conf says.
//
// Threads: none.  Bounded: names remembered.  Tests: tests/verify/homes_test.cc
#ifndef QV_VERIFY_PASSWD_H_
#define QV_VERIFY_PASSWD_H_

#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/cdb_file.h"
#include "rcpt/lookups.h"
#include "verify/cached_lookup.h"
#include "verify/nsswitch.h"

namespace qv {

struct PasswdPaths {
  std::string passwd = "/etc/passwd";
  std::string nsswitch = "/etc/nsswitch.conf";
};

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
    helper::Stamp stamp;
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
