// SPDX-License-Identifier: 0BSD
// verify/process.h - qmail-verify as a process: the daemon, and --explain.
//
// Both open things and give up rights in the same order:
//
//   pre_jail    forks the spawner first, so that it never holds a socket; then binds sockets
//   post_jail   pool of helpers, control files, answers from here on
#ifndef QV_VERIFY_PROCESS_H_
#define QV_VERIFY_PROCESS_H_

#include <span>

#include "verify/options.h"

namespace qv {

// Answers queries until SIGTERM; the exit code.  REQUIRES: all outlive the call.
[[nodiscard]] int serve(const Options& options, const Settings& settings);

// Decides each address as the daemon would, by the same code and with the same rights, and prints
// each step on standard output.  The exit code is 0 if all are valid, 100 if one is not, 111 if one
// is undecided or the helpers are lost.
[[nodiscard]] int explain(const Options& options, const Settings& settings,
                          std::span<char* const> addresses);

}  // namespace qv

#endif  // QV_VERIFY_PROCESS_H_
