// SPDX-License-Identifier: 0BSD
// process/options.h - the settings that make the process, the same in every daemon.
//
// Manual: each daemon's, SETTINGS.  Tests: tests/process/program_test.cc
#ifndef QV_PROCESS_OPTIONS_H_
#define QV_PROCESS_OPTIONS_H_

#include <string>
#include <vector>

#include "control/settings.h"
#include "core/result.h"
#include "event/listen.h"
#include "process/jail.h"

namespace qv::process {

struct ProcessOptions {
  std::string qmailhome;
  std::vector<std::string> listen;  // as written; at least one
  mode_t socket_mode = 0;
  std::string socket_group;  // empty: as the system makes it
  std::string account;
};

// The rows that are the same in every daemon, followed by `own`, the daemon's rows with listen,
// account and socket_mode among them.  REQUIRES: `options` outlives the result.
[[nodiscard]] std::vector<control::Setting> with_process_settings(
    ProcessOptions& options, std::vector<control::Setting> own);

// Who may connect to Unix sockets.  Fault::config: there is no such group; `detail` names setting
// and value.
[[nodiscard]] Result<event::SocketAccess> socket_access(const ProcessOptions& options,
                                                        const control::Settings& settings,
                                                        std::string& detail);

// Listens on all addresses, which must be stream addresses.  Errors: as above, and those of
// listen_on() (event/listen.h).
[[nodiscard]] Result<std::vector<Fd>> open_listeners(const ProcessOptions& options,
                                                     const control::Settings& settings,
                                                     std::string& detail);

// For --check-config: adds the problems of group and account.  Where the process is not root's, a
// missing account is only noted on standard error, after `program`: another user may start the
// daemon.  Changes to the directory qmailhome; false, with a problem added, where that fails: the
// rest cannot be checked then.
[[nodiscard]] bool check_process_options(std::string_view program, const ProcessOptions& options,
                                         const control::Settings& settings,
                                         std::vector<control::Problem>& problems);

}  // namespace qv::process

#endif  // QV_PROCESS_OPTIONS_H_
