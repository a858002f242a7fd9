// SPDX-License-Identifier: 0BSD
#include "helper/confine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/exit_code.h"

namespace qv::helper {

namespace {

constexpr rlim_t kMaxDescriptors = 64;

// From `first` to `last`, both included.
void close_range_of(unsigned first, unsigned last) {
  if (first > last) return;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, last, 0U) == 0) return;
#endif
  const long open_max = sysconf(_SC_OPEN_MAX);
  const unsigned end = open_max > 0 ? static_cast<unsigned>(open_max) : 1024U;
  for (unsigned fd = first; fd <= last && fd < end; ++fd) ::close(static_cast<int>(fd));
}

void limit(__rlimit_resource_t what, rlim_t most) {
  rlimit now{};
  if (getrlimit(what, &now) != 0) _exit(kExitTemporary);
  if (now.rlim_max == RLIM_INFINITY || now.rlim_max > most) now.rlim_max = most;
  now.rlim_cur = now.rlim_max;
  if (setrlimit(what, &now) != 0) _exit(kExitTemporary);
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  // What is signalled by the program's name, or to its group, is for the front.
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGUSR1}) signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void close_all_but(const Fd& kept) {
  const auto keep = static_cast<unsigned>(kept.get());
  close_range_of(STDERR_FILENO + 1, keep - 1);
  close_range_of(keep + 1, ~0U);
  const Fd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nowhere.valid() || dup2(nowhere.get(), STDIN_FILENO) < 0 ||
      dup2(nowhere.get(), STDOUT_FILENO) < 0) {
    _exit(kExitTemporary);
  }
}

void confine_process() {
  reset_signals();
  umask(077);
  if (chdir("/") != 0) _exit(kExitTemporary);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, kMaxDescriptors);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(kExitTemporary);
}

}  // namespace qv::helper
