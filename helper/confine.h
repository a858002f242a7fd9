// SPDX-License-Identifier: 0BSD
// helper/confine.h - what the keeper and its workers leave behind when they are forked.
//
// Threads: none.  Tests: tests/helper/keeper_test.cc looks at /proc of both.
#ifndef QV_HELPER_CONFINE_H_
#define QV_HELPER_CONFINE_H_

#include "core/fd.h"

namespace qv::helper {

// Closes every descriptor but `kept` and standard error; standard input and output lead nowhere.
void close_all_but(const Fd& kept);

// Working directory /, umask 077, no core files, few descriptors, no new privileges; no signal is
// blocked, SIGHUP, SIGINT, SIGTERM, SIGUSR1 and SIGPIPE are ignored, the others as a new process
// has them: what ends the helper is the end of the front, so that a signal to all of a terminal's
// or a supervisor's processes lets the front go first.
void confine_process();

}  // namespace qv::helper

#endif  // QV_HELPER_CONFINE_H_
