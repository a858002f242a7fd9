// SPDX-License-Identifier: 0BSD
#include "deliver/as_user.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace qv {
namespace {

// Whom this test may deliver to: itself, or, as root, numbers that need no account.
uid_t some_uid() { return geteuid() == 0 ? 61001 : getuid(); }
gid_t some_gid() { return geteuid() == 0 ? 61001 : getgid(); }

// What a child that became somebody may still do; its exit code.
int as_child(int (*act)()) {
  // The writers of other tests ignore SIGCHLD.
  signal(SIGCHLD, SIG_DFL);
  const pid_t child = fork();
  if (child == 0) _exit(act());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(AsUser, BecomesTheUserForGood) {
  EXPECT_EQ(as_child([] {
              if (!become_user(some_uid(), some_gid()).ok()) return 1;
              if (getuid() != some_uid() || geteuid() != some_uid()) return 2;
              if (getegid() != some_gid()) return 3;
              if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0) return 4;
              return umask(0) == 077 ? 0 : 5;
            }),
            0);
}

TEST(AsUser, RefusesRootAndWhoItCannotBe) {
  EXPECT_EQ(as_child([] { return become_user(0, 61001).ok() ? 1 : 0; }), 0);
  EXPECT_EQ(as_child([] { return become_user(61001, 0).ok() ? 1 : 0; }), 0);
  EXPECT_EQ(as_child([] {
              if (!become_user(some_uid(), some_gid()).ok()) return 1;
              const Result<void> again = become_user(some_uid() + 1, some_gid());
              return again.ok() || again.error().fault != Fault::config ? 2 : 0;
            }),
            0);
}

}  // namespace
}  // namespace qv
