// SPDX-License-Identifier: 0BSD
// probe/process.h - qmail-probe as a process: the order in which it opens things and gives up
// rights.
//
//   pre_jail    sockets bound, with their mode and group; the directory of the cache created
//   post_jail   the cache and everything else, as the unprivileged account
//
// Manual: qmail-probe(8).  Tests: tests/e2e/probe.py
#ifndef QV_PROBE_PROCESS_H_
#define QV_PROBE_PROCESS_H_

#include <vector>

#include "probe/options.h"

namespace qv {

// Runs the daemon until it is ended; the exit code.  `settings`: the sources of `options`.
[[nodiscard]] int run_probe_daemon(const ProbeOptions& options, const Settings& settings);

// --check-config: the control files that are no settings.
void check_probe_config(const ProbeOptions& options, const Settings& settings,
                        std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_PROBE_PROCESS_H_
