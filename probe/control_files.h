// SPDX-License-Identifier: 0BSD
// probe/control_files.h - the control files of qmail-probe, read again when they have changed.
//
// control/verifyprobe and control/smtproutes (whom to ask), control/probe_update_users (the
// accounts that may report outcomes), control/me (the name of this host).  A file that cannot be
// read, or with a mistake in it, leaves the old contents in force.
//
// Threads: none.  Blocking: NSS, for names in probe_update_users.
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

namespace qv::probe {

class ControlFiles {
 public:
  // Reads nothing yet.  `directory`: control/.  `clock`: end_of_time_ns for a program that reads
  // once.
  explicit ControlFiles(const std::string& directory,
                        control::WallClock clock = control::wall_clock_ns);

  // Reads what has changed; everything, the first time.  Adds mistakes to `problems`.
  control::Change read(std::int64_t now_us, std::vector<control::Problem>& problems);
  // The next read() reads everything and reports all mistakes again.
  void forget();

  [[nodiscard]] const Routes& routes() const { return routes_; }
  [[nodiscard]] const std::set<uid_t>& update_users() const { return update_users_; }
  // The first line of control/me, else the system's name of this host.
  [[nodiscard]] const std::string& me() const { return me_; }

 private:
  struct File {
    std::string path;
    control::Reloaded<control::ControlLines> reloaded;
    std::vector<control::ControlLine> lines = {};  // as last read
  };

  [[nodiscard]] bool refresh(File& file, std::int64_t now_us,
                             std::vector<control::Problem>& problems) const;
  void use_routes(std::vector<control::Problem>& problems);
  void use_users(std::vector<control::Problem>& problems);
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

}  // namespace qv::probe

#endif  // QV_PROBE_CONTROL_FILES_H_
