// SPDX-License-Identifier: 0BSD
// probe/process.h - what qmail-probe does: the daemon, and the commands for its cache.
//
// The daemon opens things and gives up rights in this order:
//
//   pre_jail    sockets bound, with their mode and group; the directory of the cache created
//   post_jail   the cache and everything else, as the unprivileged account
//
// A command asks the daemon over its socket.  If no daemon answers, it opens the LMDB file itself.
//
// Manual: qmail-probe(8).  Tests: tests/e2e/probe.py
#ifndef QV_PROBE_PROCESS_H_
#define QV_PROBE_PROCESS_H_

#include <span>
#include <vector>

#include "probe/options.h"

namespace qv {

// Runs the daemon until it is ended; the exit code.  `settings`: the sources of `options`.
[[nodiscard]] int run_probe_daemon(const ProbeOptions& options, const Settings& settings);

// --check-config: the control files that are no settings.
void check_probe_config(const ProbeOptions& options, const Settings& settings,
                        std::vector<Problem>& problems);

// Runs a command with its arguments: list, show, purge, export, import.  Prints on standard output,
// errors on standard error.  Returns the exit code: 0 done; 100 show found nothing, or wrong usage;
// 111 cannot do it now.
[[nodiscard]] int run_probe_tool(std::span<char* const> words, const ProbeOptions& options);

// The uses of the commands, for --help.
[[nodiscard]] const char* probe_tool_usage();

}  // namespace qv

#endif  // QV_PROBE_PROCESS_H_
