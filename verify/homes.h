// SPDX-License-Identifier: 0BSD
// verify/homes.h - what is in users' homes, remembered for a moment.
//
// Of each home the names that begin with ".qmail" are kept as a table that a helper made (a sealed
// memfd, so no memory of ours) and that is asked for again only when the directory has changed.
// A name that is not there needs no look; one that is there is looked at as the owner, because a
// symbolic link or a permission changes without its directory.
//
// What a .qmail file says, and which keys are in the owner's tables that it names, are remembered
// as long as a look is.  The tables themselves stay with the helpers.
//
// Threads: none.  Bounded: homes, files per home, contents, keys.  Tests:
// tests/verify/cached_lookups_test.cc
#ifndef QV_VERIFY_HOMES_H_
#define QV_VERIFY_HOMES_H_

#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "helper/records.h"
#include "maps/cdb_file.h"
#include "rcpt/lookups.h"
#include "verify/known.h"
#include "verify/recent.h"

namespace qv {

class Homes {
 public:
  static constexpr std::size_t kMaxHomes = 1024;
  static constexpr std::size_t kMaxFiles = 256;  // remembered per home

  static constexpr std::size_t kMaxTexts = 512;       // of at most 64 KiB
  static constexpr std::size_t kMaxAskedKeys = 1024;  // of all tables

  explicit Homes(Askers& askers)
      : askers_(askers), homes_(kMaxHomes), texts_(kMaxTexts), keys_(kMaxAskedKeys) {}

  // As in class Lookups.
  [[nodiscard]] Result<Look> owns_home(const Owner& owner);
  [[nodiscard]] Result<Look> has_file(const Owner& owner, std::string_view name);
  [[nodiscard]] Result<Look> read_file(const Owner& owner, std::string_view name, FileText& text);
  [[nodiscard]] Result<Look> find_key(const Owner& owner, const TableQuestion& question,
                                      TableFinding& finding);
  [[nodiscard]] std::size_t longest_name(const Owner& owner);

  // Forgets everything that nobody waits for.
  void forget() {
    homes_.clear();
    texts_.clear();
    keys_.clear();
  }

 private:
  struct File : Known {
    bool exists = false;
  };
  struct Home : Known {
    Home() : files(kMaxFiles) {}
    bool exists = false;
    uid_t owner = 0;
    helper::Stamp stamp;
    std::optional<CdbFile> names;  // none: the directory cannot be listed
    helper::IndexSummary summary;
    Recent<File> files;
    std::size_t busy_files = 0;
    [[nodiscard]] bool is_busy() const { return Known::is_busy() || busy_files > 0; }
  };

  struct Text : Known {
    bool exists = false;
    bool is_whole = true;
    std::string bytes;
  };
  struct Key : Known {
    bool has_table = false;
    TableFinding finding;
  };

  // The home, asked for if need be; nullptr: the query has to wait for it.
  [[nodiscard]] Result<Home*> find(const Owner& owner);
  [[nodiscard]] Result<void> ask_home(const Owner& owner, Home& home);
  [[nodiscard]] Result<void> ask_file(const Owner& owner, std::string_view name, Home& home,
                                      File& file);
  [[nodiscard]] Result<void> ask_text(const Owner& owner, std::string_view name, Text& text);
  [[nodiscard]] Result<void> ask_key(const Owner& owner, const TableQuestion& question, Key& key);

  Askers& askers_;
  Recent<Home> homes_;
  Recent<Text> texts_;
  Recent<Key> keys_;
};

}  // namespace qv

#endif  // QV_VERIFY_HOMES_H_
