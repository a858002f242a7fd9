// SPDX-License-Identifier: 0BSD
// rcpt/watched_cdb.h - a cdb file that may not exist, and is opened again when it changes.
//
// A file replaced by rename or rewritten is noticed within a second.  While what is there now is
// not a whole cdb, what is asked of it is a Fault: the one opened before might say "no" of somebody
// whom its successor was to add.  Up to a second may pass between a rewriting in place and its
// being noticed: replace files by rename, as qmail-newu does.
//
// Threads: none.  Blocking: opens a local file.  Owns: the mapping.
// Tests: tests/rcpt/users_cdb_test.cc
#ifndef QV_RCPT_WATCHED_CDB_H_
#define QV_RCPT_WATCHED_CDB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"
#include "control/reloaded.h"
#include "maps/cdb_file.h"

namespace qv {

class WatchedCdb {
 public:
  // What else must hold for the file to be what it is taken for.
  using Check = Result<void> (*)(const CdbFile& cdb);

  // `name` is what a Problem calls the file.
  WatchedCdb(std::string path, std::string name, Check check)
      : name_(std::move(name)), path_(std::move(path)), check_(check) {}

  // Opens the file where it has changed.  Adds to `problems` what is wrong and was not reported
  // before, or since force().  Returns changed where the file was opened, is gone, or is damaged.
  Change refresh(std::int64_t now_us, std::vector<Problem>& problems);

  void force() { cdb_.force(); }

  // The table to ask, or nullptr where there is no such file.  Error: there is one, or may be, and
  // it cannot be used.  The pointer is valid until the next refresh().
  [[nodiscard]] Result<const CdbFile*> current() const;

  [[nodiscard]] std::string_view name() const { return name_; }

 private:
  [[nodiscard]] Result<std::optional<CdbFile>> read(SourceStamp& seen) const;

  std::string name_;
  std::string path_;
  Check check_;
  Reloaded<std::optional<CdbFile>> cdb_;  // nullopt: there is no such file
};

}  // namespace qv

#endif  // QV_RCPT_WATCHED_CDB_H_
