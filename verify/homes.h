// SPDX-License-Identifier: 0BSD
// verify/homes.h - what is in users' homes, remembered for a moment.
//
// Of each home the names that begin with ".qmail" are kept as a table that a helper made (a sealed
// memfd, so no memory of ours) and that is asked for again only when the directory has changed.
// A name that is not listed needs no look; a listed one is looked at as the owner, because a
// symbolic link or a permission changes without its directory.
//
// What a .qmail file says, and which keys are in the owner's tables that it names, are remembered
// as long as a look is.  The tables themselves stay with the helpers.
//
// Threads: none.  Bounded: homes, files, contents, keys.  Tests: tests/verify/homes_test.cc
#ifndef QV_VERIFY_HOMES_H_
#define QV_VERIFY_HOMES_H_

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "helper/records.h"
#include "maps/cdb_file.h"
#include "rcpt/lookups.h"
#include "verify/cached_lookup.h"

namespace qv {

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
  [[nodiscard]] Result<Look> owns_home(const Owner& owner);
  [[nodiscard]] Result<Look> has_file(const Owner& owner, std::string_view name);
  [[nodiscard]] Result<Look> read_file(const Owner& owner, std::string_view name, FileText& text);
  [[nodiscard]] Result<Look> find_key(const Owner& owner, const TableQuestion& question,
                                      TableFinding& finding);
  [[nodiscard]] std::size_t longest_name(const Owner& owner);

  // Forgets everything that nobody waits for.
  void forget();

 private:
  struct Home {
    bool exists = false;
    uid_t owner = 0;
    FileStamp stamp;
    std::optional<CdbFile> names;  // none: the directory cannot be listed
    helper::IndexSummary summary;
  };
  struct File {
    bool exists = false;
    bool is_whole = true;
    std::string bytes;  // empty in files_
  };
  struct Key {
    bool has_table = false;
    TableFinding finding;
  };

  // "uid:gid:home", and behind a NUL each what of it is asked; valid until the next call.
  std::string_view key_of(const Owner& owner, std::initializer_list<std::string_view> rest);
  [[nodiscard]] Result<const Home*> find_home(const Owner& owner);
  static Result<void> take_home(helper::Reply reply, Home& home);
  static Result<void> take_file(helper::Reply reply, File& file);
  static Result<void> take_text(helper::Reply reply, File& file);
  static Result<void> take_key(helper::Reply reply, Key& key);

  CachedLookup<Home> homes_;
  CachedLookup<File> files_;  // is there such a file?
  CachedLookup<File> texts_;  // and what does it say?
  CachedLookup<Key> keys_;
  std::string key_;
};

}  // namespace qv

#endif  // QV_VERIFY_HOMES_H_
