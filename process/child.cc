// SPDX-License-Identifier: 0BSD
#include "process/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/exit_code.h"
#include "core/fault.h"
#include "process/channel.h"

namespace qv::process {

namespace {

// Blocks all signals while it exists, so that no handler of the parent runs in the child before the
// child has its own settings.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

void require(bool done) {
  if (!done) _exit(kExitTemporary);
}

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

void close_all_but(const Fd& kept) {
  const auto keep = static_cast<unsigned>(kept.get());
  close_range_of(STDERR_FILENO + 1, keep - 1);
  close_range_of(keep + 1, ~0U);
  const Fd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  require(nowhere.valid() && dup2(nowhere.get(), STDIN_FILENO) >= 0 &&
          dup2(nowhere.get(), STDOUT_FILENO) >= 0);
}

void limit(__rlimit_resource_t what, rlim_t most) {
  rlimit now{};
  require(getrlimit(what, &now) == 0);
  now.rlim_max = std::min(now.rlim_max, most);
  now.rlim_cur = now.rlim_max;
  require(setrlimit(what, &now) == 0);
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGXFSZ}) {
    signal(number, SIG_IGN);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void confine(const Confinement& confinement) {
  prctl(PR_SET_NAME, confinement.name);
  reset_signals();
  umask(077);
  require(confinement.directory == nullptr || chdir(confinement.directory) == 0);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, confinement.max_files);
  require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

void die_with(pid_t parent) {
  require(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  if (getppid() != parent) _exit(kExitOk);  // it died before prctl()
}

}  // namespace

Result<Child> start_child(const Confinement& confinement, const std::function<void(Fd)>& run) {
  QV_TRY(Channel channel, open_channel());
  const SignalsBlocked blocked;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return errno_error("fork");
  if (pid > 0) return Child{std::move(channel.ours), pid};
  die_with(parent);
  close_all_but(channel.theirs);
  confine(confinement);
  run(std::move(channel.theirs));
  _exit(kExitOk);
}

Result<void> become_in_child(const Identity& who) {
  const pid_t parent = getppid();
  QV_TRY_VOID(become_for_good(who));
  die_with(parent);
  return {};
}

Result<void> become_where_root(const Identity& who) {
  if (geteuid() != 0) return {};
  return become_in_child(who);
}

}  // namespace qv::process
