// SPDX-License-Identifier: 0BSD
// Each jail is entered in a child: there is no way back.
#include "process/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace qv::process {
namespace {

#define QV_NEEDS_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root: it becomes another user"

// Exits 0 where `condition` holds in the jail, 1 where not, 2 where the jail was not entered.
template <class Condition>
[[noreturn]] void enter_and_check(const Account& account, Condition condition,
                                  std::uint64_t open_files = 0) {
  std::string detail;
  if (!enter_jail(account, open_files, detail).ok()) {
    fprintf(stderr, "refused: %s\n", detail.c_str());
    _exit(2);
  }
  _exit(condition() ? 0 : 1);
}

TEST(Account, ByNumberByNameAndNotAtAll) {
  std::string detail;
  const Result<Account> number = find_account(":12345:12346", detail);
  ASSERT_TRUE(number.ok());
  EXPECT_EQ(number.value().uid, 12345U);
  EXPECT_EQ(number.value().gid, 12346U);
  ASSERT_TRUE(find_account("nobody", detail).ok()) << detail;
  EXPECT_NE(find_account("nobody", detail).value().uid, 0U);

  const Result<Account> missing = find_account("no-such-user", detail);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().fault, Fault::config);
  EXPECT_EQ(detail, "there is no account \"no-such-user\"");
}

TEST(Account, RootIsRefused) {
  for (const char* name : {"root", ":0:1", ":1:0", ":0:0"}) {
    std::string detail;
    const Result<Account> root = find_account(name, detail);
    ASSERT_FALSE(root.ok()) << name;
    EXPECT_EQ(root.error().fault, Fault::config);
    EXPECT_NE(detail.find("root's uid or gid"), std::string::npos);
  }
  for (const char* name : {"", ":", ":1", ":1:", ":1:2:3", ":x:1", ":4294967295:1", ":-1:1"}) {
    std::string detail;
    EXPECT_FALSE(find_account(name, detail).ok()) << name;
  }
}

TEST(JailDeathTest, AllIdsAreTheAccountsForGood) {
  QV_NEEDS_ROOT();
  EXPECT_EXIT(enter_and_check(Account{12345, 12346},
                              [] {
                                uid_t u[3];
                                gid_t g[3];
                                gid_t group = 0;
                                getresuid(&u[0], &u[1], &u[2]);
                                getresgid(&g[0], &g[1], &g[2]);
                                return u[0] == 12345 && u[1] == 12345 && u[2] == 12345 &&
                                       g[0] == 12346 && g[1] == 12346 && g[2] == 12346 &&
                                       getgroups(1, &group) == 1 && group == 12346 &&
                                       access("/root", R_OK) != 0;
                              }),
              testing::ExitedWithCode(0), "");
}

TEST(JailDeathTest, RootIsNoJail) {
  QV_NEEDS_ROOT();
  for (const Account& account : {Account{0, 1}, Account{1, 0}, Account{0, 0}}) {
    EXPECT_EXIT(enter_and_check(account, [] { return true; }), testing::ExitedWithCode(2),
                "root's uid or gid");
  }
}

TEST(JailDeathTest, NoNewPrivilegesNoCoreFewFiles) {
  EXPECT_EXIT(enter_and_check(
                  Account{12345, 12346},
                  [] {
                    rlimit core{};
                    rlimit files{};
                    getrlimit(RLIMIT_CORE, &core);
                    getrlimit(RLIMIT_NOFILE, &files);
                    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && core.rlim_max == 0 &&
                           files.rlim_cur == 50;
                  },
                  50),
              testing::ExitedWithCode(0), "");
}

TEST(JailDeathTest, MoreFilesThanAllowedIsAsManyAsAllowed) {
  EXPECT_EXIT(enter_and_check(
                  Account{12345, 12346},
                  [] {
                    rlimit files{};
                    getrlimit(RLIMIT_NOFILE, &files);
                    return files.rlim_cur == files.rlim_max;
                  },
                  UINT64_MAX - 1),
              testing::ExitedWithCode(0), "");
}

// Whoever reads the one line of a failed start has to know which setting to mend.
TEST(AccountToBecome, NamesTheSettingThatIsWrong) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: nobody else becomes somebody";
  std::string detail;
  EXPECT_FALSE(account_to_become("PROBEUSER", "no-such-account", detail).ok());
  EXPECT_EQ(detail.rfind("PROBEUSER: ", 0), 0u) << detail;
  EXPECT_NE(detail.find("no-such-account"), std::string::npos) << detail;
  EXPECT_EQ(account_to_become("PROBEUSER", ":12345:12346", detail).value().gid, 12346u);
}

TEST(JailDeathTest, WithoutRootOneStaysWhoOneIs) {
  const bool root = geteuid() == 0;
  const auto check = [root] {
    // As root: first become somebody, then ask for a jail as somebody else.
    std::string detail;
    if (root && !enter_jail({23456, 23456}, 0, detail).ok()) _exit(3);
    const uid_t before = geteuid();
    enter_and_check(Account{12345, 12346}, [before] { return geteuid() == before; });
  };
  EXPECT_EXIT(check(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace qv::process
