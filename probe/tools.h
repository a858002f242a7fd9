// SPDX-License-Identifier: 0BSD
// probe/tools.h - the commands of qmail-probe: list, show, purge, export and import the cache.
//
// A command asks the daemon over its socket.  If no daemon answers, it opens the LMDB file itself.
//
// Blocking: yes.  Manual: qmail-probe(8).  Tests: tests/e2e/probe.py
#ifndef QV_PROBE_TOOLS_H_
#define QV_PROBE_TOOLS_H_

#include <span>

#include "probe/options.h"

namespace qv {

// Runs the command with its arguments.  Prints on standard output, errors on standard error.
// Returns the exit code: 0 done; 100 show found nothing, or wrong usage; 111 cannot do it now.
[[nodiscard]] int run_probe_tool(std::span<char* const> words, const ProbeOptions& options);

// The uses, for --help.
[[nodiscard]] const char* probe_tool_usage();

}  // namespace qv

#endif  // QV_PROBE_TOOLS_H_
