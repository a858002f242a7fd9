// SPDX-License-Identifier: 0BSD
// deliver/lmtp_daemon.h - the LMTP daemon: one process that listens and watches, several that work.
//
// The watching process binds the addresses of LISTEN and forks the workers, which share them; it
// does not touch what a client says.  A worker that ends is forked again, at most once a second
// each.  SIGHUP: the settings are read again, and workers that have them take over from those that
// have not, which end what they have begun.  SIGUSR1: what all have counted is logged by the
// watching process; the others pass it over.  SIGTERM: all end what they have begun; exit 0.
//
// Rights: started as root, a worker that talks to clients is an account without rights, and has a
// broker of its own that is still root (deliver/broker.h).  Started as anybody else all are that.
// Manual: qmail-virtual(8), "DAEMON".  Tests: tests/e2e/deliver.py
#ifndef QV_DELIVER_LMTP_DAEMON_H_
#define QV_DELIVER_LMTP_DAEMON_H_

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/settings.h"
#include "process/jail.h"

namespace qv {

struct ListenOptions {
  mode_t mode = 0660;       // of Unix sockets
  gid_t group = gid_t(-1);  // of Unix sockets; -1: as the process has it
};

// Binds and listens on "unix:/path" or "inet:address:port" ("inet:[::1]:24").  A Unix socket that
// is there already is replaced only if nobody answers on it.  `detail` names the address.
[[nodiscard]] Result<Fd> open_listener(std::string_view address, const ListenOptions& options,
                                       std::string& detail);

// Reads the settings, or says what is wrong with them and gives nothing.
using ReadSettings = std::function<std::optional<DeliverSettings>()>;

// Serves until SIGTERM or SIGINT; the exit code.  `account` is whom workers become.
[[nodiscard]] int run_lmtp_daemon(const std::vector<Fd>& listeners, const std::string& host,
                                  const Account& account, const ReadSettings& read_settings);

// Serves in this process, which becomes `account` where it is root, until LmtpServer::stop() or,
// without listeners, until the client on standard input is gone.  The exit code.
[[nodiscard]] int serve_lmtp(const std::vector<Fd>& listeners, const std::string& host,
                             const Account& account, const DeliverSettings& settings);

}  // namespace qv

#endif  // QV_DELIVER_LMTP_DAEMON_H_
