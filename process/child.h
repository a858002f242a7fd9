// SPDX-License-Identifier: 0BSD
// process/child.h - a confined process that has one socket and dies with its parent.
//
// Threads: none.  Tests: tests/process/spawner_test.cc looks at /proc of the children.
#ifndef QV_PROCESS_CHILD_H_
#define QV_PROCESS_CHILD_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "core/fd.h"
#include "core/result.h"
#include "process/identity.h"

namespace qv::process {

struct Confinement {
  const char* name = "qv-worker";  // for ps(1); at most 15 bytes
  const char* directory = "/";     // nullptr: the parent's
  std::uint64_t max_files = 64;    // RLIMIT_NOFILE, hard
};

struct Child {
  Fd socket;  // the parent's end of the channel (process/channel.h)
  pid_t pid = -1;
};

// Forks; calls `run` in the child with the child's end of the channel.  The child exits with 0 when
// `run` returns.
//
// The child holds its socket, standard error, and /dev/null as standard input and output.  It
// blocks no signal and ignores SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGPIPE and SIGXFSZ: it ends with
// its parent or its socket, so that a signal to the whole process group ends the parent first.
// Umask 077, no core files, no new privileges; the kernel kills it when its parent dies.
//
// Error: the errno of socketpair(2) or fork(2).  A child that cannot be confined exits with 111.
[[nodiscard]] Result<Child> start_child(const Confinement& confinement,
                                        const std::function<void(Fd)>& run);

// become_for_good() in a child of start_child().  The kernel forgets with which parent a process is
// to die when its uid changes; this renews it.
[[nodiscard]] Result<void> become_in_child(const Identity& who);
// The same where the child has root's rights; any other child stays who it is.
[[nodiscard]] Result<void> become_where_root(const Identity& who);

}  // namespace qv::process

#endif  // QV_PROCESS_CHILD_H_
