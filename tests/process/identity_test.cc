// SPDX-License-Identifier: 0BSD
// Each change is made in a child: there is no way back.
#include "process/identity.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace qv::process {
namespace {

// What `run` returned in a child.
int in_child(const std::function<int()>& run) {
  const pid_t pid = fork();
  if (pid == 0) _exit(run());
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(BecomeForGood, NobodyBecomesRoot) {
  EXPECT_EQ(in_child([] { return become_for_good({0, 1}).ok() ? 1 : 0; }), 0);
  EXPECT_EQ(in_child([] { return become_for_good({1, 0}).ok() ? 1 : 0; }), 0);
  EXPECT_EQ(in_child([] { return become_for_good({static_cast<uid_t>(-1), 1}).ok() ? 1 : 0; }), 0);
}

TEST(BecomeForGood, WithoutRootsRightsOneIsWhoOneIs) {
  EXPECT_EQ(in_child([] {
              if (geteuid() == 0 && !become_for_good({23456, 23457}).ok()) return 3;
              const Identity self{geteuid(), getegid()};
              if (!become_for_good(self).ok()) return 1;
              return become_for_good({self.uid + 1, self.gid}).ok() ? 2 : 0;
            }),
            0);
}

TEST(BecomeForGood, LeavesNothingOfRoot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(in_child([] {
              if (!become_for_good({12345, 12346}).ok()) return 1;
              gid_t group = 0;
              if (getuid() != 12345 || geteuid() != 12345 || getegid() != 12346) return 2;
              if (getgroups(1, &group) != 1 || group != 12346) return 3;
              return setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 ? 4 : 0;
            }),
            0);
}

}  // namespace
}  // namespace qv::process
