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

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "control/lines.h"
#include "probe/routes.h"

namespace qv {

class ControlFiles {
 public:
  // Reads nothing yet.  `directory`: control/.
  explicit ControlFiles(std::string directory) : directory_(std::move(directory)) {}

  enum class Change : std::uint8_t { none, some };
  // Reads what has changed since (everything, the first time); mistakes are added to `problems`.
  Change read(std::vector<Problem>& problems);
  // The next read() reads everything.
  void forget();

  [[nodiscard]] const Routes& routes() const { return routes_; }
  [[nodiscard]] const std::set<uid_t>& update_users() const { return update_users_; }
  // The first line of control/me, else what the system calls this host.
  [[nodiscard]] const std::string& me() const { return me_; }

 private:
  // What tells one state of a file from another; all 0: it is not there.
  struct Stamp {
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  enum File : std::size_t { kVerifyprobe, kSmtproutes, kUpdateUsers, kMe, kFiles };
  using Lines = std::vector<ControlLine>;

  [[nodiscard]] std::string path_of(std::size_t file) const;
  [[nodiscard]] Stamp stamp_of(std::size_t file) const;
  void use(std::size_t file, std::vector<Problem>& problems);
  void use_routes(std::vector<Problem>& problems);
  void use_users(std::vector<Problem>& problems);
  void use_me();

  std::string directory_;
  bool read_before_ = false;
  std::array<Stamp, kFiles> stamps_{};
  std::array<Lines, kFiles> lines_{};
  Routes routes_;
  std::set<uid_t> update_users_;
  std::string me_;
};

}  // namespace qv

#endif  // QV_PROBE_CONTROL_FILES_H_
