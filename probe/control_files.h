// SPDX-License-Identifier: 0BSD
// probe/control_files.h - the control files of qmail-probe, read again when they have changed.
//
// control/verifyprobe, control/smtproutes (what to ask), control/probe_update_users (who may tell;
// login names or numbers), control/me (who we are).  A file that cannot be read or has a mistake in
// it keeps the old contents in force.
//
// Threads: none.  Blocking: names in probe_update_users are looked up by NSS.
// Tests: tests/probe/control_files_test.cc
#ifndef QV_PROBE_CONTROL_FILES_H_
#define QV_PROBE_CONTROL_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "control/lines.h"
#include "control/reloaded.h"
#include "probe/routes.h"

namespace qv {

class ControlFiles {
 public:
  // Reads nothing yet.  `directory`: control/.  `clock`: end_of_time_ns for a program that reads
  // once.
  explicit ControlFiles(const std::string& directory, WallClock clock = wall_clock_ns);

  // Reads what has changed since (everything, the first time); mistakes are added to `problems`.
  Change read(std::int64_t now_us, std::vector<Problem>& problems);
  // The next read() uses everything as if it were new, and reports all that is wrong.
  void forget();

  [[nodiscard]] const Routes& routes() const { return routes_; }
  [[nodiscard]] const std::set<uid_t>& update_users() const { return update_users_; }
  // The first line of control/me, else what the system calls this host.
  [[nodiscard]] const std::string& me() const { return me_; }

 private:
  struct File {
    File(std::string path_of_file, WallClock clock)
        : path(std::move(path_of_file)), lines(clock, 0) {}
    std::string path;
    Reloaded<ControlLines> lines;
    ControlLines used;  // as last read
  };

  [[nodiscard]] Change read(File& file, std::int64_t now_us, std::vector<Problem>& problems) const;
  static std::vector<ControlLine> lines_of(const File& file);
  void use_routes(std::vector<Problem>& problems);
  void use_users(std::vector<Problem>& problems);
  void use_me();

  bool started_ = false;
  bool again_ = true;
  File verifyprobe_;
  File smtproutes_;
  File users_;
  File me_file_;
  Routes routes_;
  std::set<uid_t> update_users_;
  std::string me_;
};

}  // namespace qv

#endif  // QV_PROBE_CONTROL_FILES_H_
