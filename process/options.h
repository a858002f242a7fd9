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

namespace qv {

struct ProcessOptions {
  std::string qmailhome;
  std::vector<std::string> listen;  // as written; at least one
  mode_t socket_mode = 0;
  std::string socket_group;  // empty: as the system makes it
  std::string account;
};

// `own`, a daemon's rows with listen, account and socket_mode among them, behind those rows that do
// not differ.  REQUIRES: `options` outlives what is returned.
[[nodiscard]] std::vector<Setting> with_process_settings(ProcessOptions& options,
                                                         std::vector<Setting> own);

// Who may connect to Unix sockets, as the settings say.  Fault::config: there is no such group;
// `detail` names setting and value.
[[nodiscard]] Result<SocketAccess> socket_access(const ProcessOptions& options,
                                                 const Settings& settings, std::string& detail);

// Listens on all addresses, which are those of streams.  Errors: as above, and those of listen_on()
// (event/listen.h).
[[nodiscard]] Result<std::vector<Fd>> open_listeners(const ProcessOptions& options,
                                                     const Settings& settings, std::string& detail);

// For --check-config: adds what is wrong with group and account.  To anybody but root an account
// that does not exist is worth a note on standard error, which begins with `program`: only root
// becomes it, and whoever asks may not be who starts the daemon.  Makes qmailhome the directory;
// false, and said as well, where that cannot be: there is nothing more to look at.
[[nodiscard]] bool check_process_options(std::string_view program, const ProcessOptions& options,
                                         const Settings& settings, std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_PROCESS_OPTIONS_H_
