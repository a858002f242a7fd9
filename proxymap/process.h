// SPDX-License-Identifier: 0BSD
// proxymap/process.h - qmail-proxymap as a process: the order in which it opens things and gives up
// rights.
//
//   pre_jail    sockets bound, with their mode and group
//   post_jail   allow-list and tables, as the unprivileged account; workers are forked from here on
//
// No table is opened with the rights that the process was started with: what the account may not
// read is not served.  Manual: qmail-proxymap(8).  Tests: tests/e2e/proxymap.py
#ifndef QV_PROXYMAP_PROCESS_H_
#define QV_PROXYMAP_PROCESS_H_

#include <vector>

#include "proxymap/options.h"

namespace qv::proxymap {

// Serves until SIGTERM; returns the exit code.  `writes`: as the read-write service.
[[nodiscard]] int run_proxymap(const Options& options, const Settings& settings, bool writes);

// --check-config: the control files that are no settings.
void check_config(const Options& options, bool writes, const Settings& settings,
                  std::vector<Problem>& problems);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_PROCESS_H_
