// SPDX-License-Identifier: 0BSD
// probe/tools.h - qmail-probe's other side: list, show, purge, export and import the cache.
//
// A tool asks the daemon over its socket.  Where no daemon answers it opens the LMDB file itself.
//
// Blocking: yes.  Manual: qmail-probe(8).  Tests: tests/e2e/probe.py
#ifndef QV_PROBE_TOOLS_H_
#define QV_PROBE_TOOLS_H_

#include <span>

#include "probe/options.h"

namespace qv {

// `words`: the verb and its arguments.  Returns the exit code: 0 done; 100 show found
// nothing, or not a use of this program; 111 cannot be done now.  Prints on standard output,
// complains on standard error.
[[nodiscard]] int run_probe_tool(std::span<char* const> words, const ProbeOptions& options);

// The uses, for --help.
[[nodiscard]] const char* probe_tool_usage();

}  // namespace qv

#endif  // QV_PROBE_TOOLS_H_
