// SPDX-License-Identifier: 0BSD
// verify/accounts.h - login names, and what is in users' homes; remembered for a while.
//
// Passwd has the whole of /etc/passwd as a table that an agent made (a sealed memfd), again
// whenever the file has changed.  nsswitch.conf says whether the name service is asked about other
// names.
//
// Homes has, of each home, the names that begin with ".qmail" as such a table, which is asked for
// again only when the directory has changed.  A name that is not listed needs no look-up; a listed
// one is checked as the owner, because a symbolic link or a permission changes without its
// directory.  What a .qmail file says, and which keys are in the owner's tables that it names, are
// remembered as long as such a check.  The tables themselves stay with the agents.
//
// Threads: none.  Bounded: names, homes, files, contents, keys.
// Tests: tests/verify/homes_test.cc, nsswitch_test.cc
#ifndef QV_VERIFY_ACCOUNTS_H_
#define QV_VERIFY_ACCOUNTS_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/home.h"
#include "core/result.h"
#include "maps/cdb_file.h"
#include "rcpt/lookups.h"
#include "verify/cached_lookup.h"

namespace qv::verify {

class Homes {
 public:
  static constexpr std::size_t kMaxHomes = 1024;
  static constexpr std::size_t kMaxFiles = 16384;
  static constexpr std::size_t kMaxTexts = 512;       // of at most 64 KiB
  static constexpr std::size_t kMaxAskedKeys = 1024;  // of all tables

  explicit Homes(PendingLookups& lookups)
      : homes_(lookups, kMaxHomes),
        files_(lookups, kMaxFiles),
        texts_(lookups, kMaxTexts),
        keys_(lookups, kMaxAskedKeys) {}

  // As in class Lookups.
  [[nodiscard]] Result<rcpt::Look> owns_home(const rcpt::Owner& owner);
  [[nodiscard]] Result<rcpt::Look> has_file(const rcpt::Owner& owner, std::string_view name);
  [[nodiscard]] Result<rcpt::Look> read_file(const rcpt::Owner& owner, std::string_view name,
                                             rcpt::FileText& text);
  [[nodiscard]] Result<rcpt::Look> find_key(const rcpt::Owner& owner,
                                            const maps::TableQuestion& question,
                                            maps::TableFinding& finding);
  [[nodiscard]] std::size_t longest_name(const rcpt::Owner& owner);

  // Forgets everything that no query waits for.
  void forget();

 private:
  struct Home {
    bool exists = false;
    uid_t owner = 0;
    control::FileStamp stamp;
    std::optional<maps::CdbFile> names;  // none: the directory cannot be listed
    agent::IndexSummary summary;
  };
  struct File {
    bool exists = false;
    bool is_whole = true;
    std::string bytes;
  };
  // "uid:gid:home", and after a NUL each item of it that is asked about; valid until the next call.
  std::string_view key_of(const rcpt::Owner& owner, std::initializer_list<std::string_view> items);
  [[nodiscard]] Result<const Home*> find_home(const rcpt::Owner& owner);
  [[nodiscard]] static Result<void> store_home(agent::Reply reply, Home& home);

  CachedLookup<Home> homes_;
  CachedLookup<bool> files_;  // is there such a file?
  CachedLookup<File> texts_;  // and what does it say?
  CachedLookup<agent::Reply> keys_;
  std::string key_;
};

struct PasswdPaths {
  std::string passwd = "/etc/passwd";
  std::string nsswitch = "/etc/nsswitch.conf";
};

// What says whether a login name exists: /etc/passwd can be remembered whole, while getpwnam(3) may
// ask a directory server.
enum class PasswdSource : std::uint8_t {
  files_only,    // /etc/passwd alone
  files_first,   // the name service for names that are not in /etc/passwd
  name_service,  // the name service for every name
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
  [[nodiscard]] Result<rcpt::Look> find_user(std::string_view name, rcpt::Owner& owner);

  // Forgets everything that no query waits for.
  void forget();

 private:
  struct Index : PendingLookup {
    std::optional<maps::CdbFile> table;
    control::FileStamp stamp;
  };

  // yes: the index may be used.  pending: it is being made.
  [[nodiscard]] Result<rcpt::Look> refresh();
  [[nodiscard]] Result<rcpt::Look> find_in_index(std::string_view name, rcpt::Owner& owner) const;
  [[nodiscard]] Result<rcpt::Look> find_by_name_service(std::string_view name, rcpt::Owner& owner);
  void read_sources();

  PendingLookups& lookups_;
  PasswdPaths paths_;
  Index index_;
  PendingLookup sources_;  // when source_ was read
  PasswdSource source_ = PasswdSource::name_service;
  CachedLookup<agent::Reply> names_;
};

}  // namespace qv::verify

#endif  // QV_VERIFY_ACCOUNTS_H_
