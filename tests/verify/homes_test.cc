// SPDX-License-Identifier: 0BSD
// Look-ups by real agents, on a password file and homes of the test's own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

#include "agent/agent.h"
#include "core/file.h"
#include "event/libevent_loop.h"
#include "maps/cdb_writer.h"
#include "verify/accounts.h"

namespace qv::verify {
namespace {

constexpr std::int64_t kLongUs = std::int64_t{3600} * 1000000;

class HomesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "lookups.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    top_ = name;
    ASSERT_EQ(chmod(top_.c_str(), 0755), 0);
    // Root may not look into homes as root, and is nobody's mailbox: play somebody else.
    uid_ = geteuid() == 0 ? 54321 : geteuid();
    gid_ = geteuid() == 0 ? 54321 : getegid();
    write_file("/nsswitch.conf", "passwd: files\n");
    write_passwd("bob");
    make_home("bob");
  }
  void TearDown() override {
    pool_.reset();
    ASSERT_EQ(std::system(("rm -rf " + top_).c_str()), 0);
  }

  void write_file(const std::string& name, const std::string& text) {
    const Fd fd(open((top_ + name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    ASSERT_TRUE(write_all(fd.get(), text).ok());
    give(name);
  }
  void give(const std::string& name) {
    if (geteuid() != 0) return;
    ASSERT_EQ(lchown((top_ + name).c_str(), uid_, gid_), 0);
  }
  void write_passwd(const std::string& user) {
    write_file("/passwd", user + ":x:" + std::to_string(uid_) + ":" + std::to_string(gid_) +
                              "::" + top_ + "/" + user + ":/bin/sh\n");
  }
  void make_home(const std::string& user) {
    ASSERT_EQ(mkdir((top_ + "/" + user).c_str(), 0700), 0);
    give("/" + user);
  }

  // With this much time to live for what was found out.
  void start(std::int64_t ttl_us) {
    agent::AgentSettings settings;
    settings.passwd = top_ + "/passwd";
    Result<process::Spawner> spawner = process::start_spawner(agent::agent_spawner(settings));
    ASSERT_TRUE(spawner.ok());
    pool_.emplace(loop_, std::move(spawner).value(), process::PoolSettings{}, nullptr);
    lookups_.emplace(loop_, *pool_, ttl_us, [this](std::uint32_t) { loop_.stop(); });
    homes_.emplace(*lookups_);
    passwd_.emplace(*lookups_, PasswdPaths{top_ + "/passwd", top_ + "/nsswitch.conf"});
  }

  // Looks until it is no longer pending.
  Result<rcpt::Look> until_known(const std::function<Result<rcpt::Look>()>& look) {
    const std::int64_t asked_at = loop_.now_us();
    while (true) {
      lookups_->begin(asked_at);
      Result<rcpt::Look> result = look();
      if (!result.ok() || result.value() != rcpt::Look::pending) return result;
      lookups_->waits_for()->waiting.push_back(1);
      loop_.run();
    }
  }
  Result<rcpt::Look> find_user(const std::string& name) {
    return until_known([&] { return passwd_->find_user(name, owner_); });
  }
  rcpt::Owner bob() {
    home_ = top_ + "/bob";
    return {"bob", uid_, gid_, home_};
  }
  Result<rcpt::Look> has_file(const std::string& name) {
    return until_known([&] { return homes_->has_file(bob(), name); });
  }
  Result<rcpt::Look> owns_home() {
    return until_known([&] { return homes_->owns_home(bob()); });
  }
  std::uint64_t asked() const { return pool_->counters().jobs; }

  event::LibeventLoop loop_;
  std::string top_;
  std::string home_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  rcpt::Owner owner_;
  std::optional<agent::Pool> pool_;
  std::optional<PendingLookups> lookups_;
  std::optional<Homes> homes_;
  std::optional<Passwd> passwd_;
};

TEST_F(HomesTest, FindsUsersOfThePasswordFile) {
  start(kLongUs);
  ASSERT_EQ(find_user("bob").value(), rcpt::Look::yes);
  EXPECT_EQ(owner_.uid, uid_);
  EXPECT_EQ(owner_.home, top_ + "/bob");
  EXPECT_EQ(find_user("alice").value(), rcpt::Look::no);
}

TEST_F(HomesTest, UnknownNamesCostNoQuestion) {
  start(kLongUs);
  ASSERT_EQ(find_user("bob").value(), rcpt::Look::yes);
  const std::uint64_t before = asked();
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(find_user("x" + std::to_string(i)).value(), rcpt::Look::no);
  EXPECT_EQ(asked(), before);
}

TEST_F(HomesTest, AChangedPasswordFileIsNoticed) {
  start(0);
  ASSERT_EQ(find_user("bob").value(), rcpt::Look::yes);
  write_passwd("alice");
  EXPECT_EQ(find_user("bob").value(), rcpt::Look::no);
  EXPECT_EQ(find_user("alice").value(), rcpt::Look::yes);
}

TEST_F(HomesTest, AMissingPasswordFileIsNoAbsence) {
  start(0);
  ASSERT_EQ(unlink((top_ + "/passwd").c_str()), 0);
  EXPECT_FALSE(find_user("bob").ok());
}

TEST_F(HomesTest, OtherSourcesAreAskedByTheHelper) {
  write_file("/nsswitch.conf", "passwd: ldap\n");
  start(kLongUs);
  // getpwnam(3) of this machine: root is everywhere, though bob is only in the test's file.
  EXPECT_EQ(find_user("root").value(), rcpt::Look::yes);
  EXPECT_EQ(find_user("no-such-user-here").value(), rcpt::Look::no);
  const std::uint64_t before = asked();
  EXPECT_EQ(find_user("root").value(), rcpt::Look::yes);
  EXPECT_EQ(asked(), before);
}

// bob is only in the test's file: believed, the new sources would know nobody of that name.
TEST_F(HomesTest, SourcesThatCannotBeReadOrAreBeingWrittenStayWhatTheyWere) {
  start(0);
  EXPECT_EQ(find_user("bob").value(), rcpt::Look::yes);
  write_file("/nsswitch.conf", "passwd: ldap");
  EXPECT_EQ(find_user("bob").value(), rcpt::Look::yes);
  ASSERT_EQ(unlink((top_ + "/nsswitch.conf").c_str()), 0);
  ASSERT_EQ(mkdir((top_ + "/nsswitch.conf").c_str(), 0755), 0);
  EXPECT_EQ(find_user("bob").value(), rcpt::Look::yes);
}

TEST_F(HomesTest, FilesOfAHome) {
  write_file("/bob/.qmail-a", "");
  ASSERT_EQ(symlink(".qmail-a", (top_ + "/bob/.qmail-link").c_str()), 0);
  ASSERT_EQ(symlink("nowhere", (top_ + "/bob/.qmail-dangling").c_str()), 0);
  ASSERT_EQ(mkdir((top_ + "/bob/.qmail-dir").c_str(), 0755), 0);
  start(kLongUs);
  EXPECT_EQ(owns_home().value(), rcpt::Look::yes);
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::yes);
  EXPECT_EQ(has_file(".qmail-link").value(), rcpt::Look::yes);
  EXPECT_EQ(has_file(".qmail-dangling").value(), rcpt::Look::no);
  EXPECT_EQ(has_file(".qmail-dir").value(), rcpt::Look::no);
  EXPECT_EQ(has_file(".qmail-b").value(), rcpt::Look::no);
}

TEST_F(HomesTest, ANameThatIsNotListedCostsNoQuestion) {
  write_file("/bob/.qmail-a", "");
  start(kLongUs);
  ASSERT_EQ(has_file(".qmail-a").value(), rcpt::Look::yes);
  const std::uint64_t before = asked();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(has_file(".qmail-x" + std::to_string(i)).value(), rcpt::Look::no);
  }
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::yes);
  EXPECT_EQ(asked(), before);
}

TEST_F(HomesTest, WithoutReuseEveryChangeIsSeen) {
  start(0);
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::no);
  write_file("/bob/.qmail-a", "");
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::yes);
  ASSERT_EQ(unlink((top_ + "/bob/.qmail-a").c_str()), 0);
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::no);
}

TEST_F(HomesTest, ForgettingAsksAgain) {
  start(kLongUs);
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::no);
  write_file("/bob/.qmail-a", "");
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::no);
  homes_->forget();
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::yes);
}

// The home is more likely not mounted than gone: its files are not absent, they cannot be seen.
TEST_F(HomesTest, AHomeThatIsNotThere) {
  ASSERT_EQ(rmdir((top_ + "/bob").c_str()), 0);
  start(kLongUs);
  EXPECT_EQ(owns_home().value(), rcpt::Look::no);
  EXPECT_FALSE(has_file(".qmail-a").ok());
}

TEST_F(HomesTest, AHomeThatIsAFile) {
  ASSERT_EQ(rmdir((top_ + "/bob").c_str()), 0);
  write_file("/bob", "");
  start(kLongUs);
  EXPECT_EQ(owns_home().value(), rcpt::Look::no);
  EXPECT_FALSE(has_file(".qmail-a").ok());
}

TEST_F(HomesTest, AHomeOfSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a directory away";
  write_file("/bob/.qmail-a", "");
  ASSERT_EQ(chmod((top_ + "/bob").c_str(), 0755), 0);
  ASSERT_EQ(chown((top_ + "/bob").c_str(), 1, 1), 0);
  start(kLongUs);
  EXPECT_EQ(owns_home().value(), rcpt::Look::no);
  // users/cdb may assign it all the same.
  EXPECT_EQ(has_file(".qmail-a").value(), rcpt::Look::yes);
  EXPECT_EQ(has_file(".qmail-b").value(), rcpt::Look::no);
}

// CVE-2020-3812: what a link shows is what its owner could see.
TEST_F(HomesTest, ALinkIntoADirectoryThatTheOwnerCannotSearch) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a directory that the owner cannot search";
  ASSERT_EQ(mkdir((top_ + "/secret").c_str(), 0700), 0);
  const Fd there(open((top_ + "/secret/there").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  ASSERT_EQ(symlink("../secret/there", (top_ + "/bob/.qmail-x").c_str()), 0);
  ASSERT_EQ(symlink("../secret/missing", (top_ + "/bob/.qmail-y").c_str()), 0);
  start(kLongUs);
  const Result<rcpt::Look> x = has_file(".qmail-x");
  const Result<rcpt::Look> y = has_file(".qmail-y");
  ASSERT_FALSE(x.ok());
  ASSERT_FALSE(y.ok());
  EXPECT_EQ(x.error().errnum, y.error().errnum);
}

TEST_F(HomesTest, AFileWithoutPermissionIsNoAbsence) {
  write_file("/bob/.qmail-a", "");
  ASSERT_EQ(chmod((top_ + "/bob/.qmail-a").c_str(), 0), 0);
  start(kLongUs);
  EXPECT_FALSE(has_file(".qmail-a").ok());
}

TEST_F(HomesTest, ContentsOfAFile) {
  write_file("/bob/.qmail-a", "|true\n");
  write_file("/bob/.qmail-big", std::string(70000, '#'));
  start(0);
  rcpt::FileText text;
  const auto read = [&](const std::string& name) {
    return until_known([&] { return homes_->read_file(bob(), name, text); });
  };
  ASSERT_EQ(read(".qmail-a").value(), rcpt::Look::yes);
  EXPECT_EQ(text.bytes, "|true\n");
  EXPECT_TRUE(text.is_whole);
  write_file("/bob/.qmail-a", "./Maildir/\n");
  ASSERT_EQ(read(".qmail-a").value(), rcpt::Look::yes);
  EXPECT_EQ(text.bytes, "./Maildir/\n") << "nothing is reused here";
  ASSERT_EQ(read(".qmail-big").value(), rcpt::Look::yes);
  EXPECT_EQ(text.bytes.size(), 65536u);
  EXPECT_FALSE(text.is_whole);
  EXPECT_EQ(read(".qmail-b").value(), rcpt::Look::no);
  ASSERT_EQ(chmod((top_ + "/bob/.qmail-a").c_str(), 0), 0);
  EXPECT_FALSE(read(".qmail-a").ok());
}

TEST_F(HomesTest, ContentsAreReusedForAWhile) {
  write_file("/bob/.qmail-a", "one");
  start(kLongUs);
  rcpt::FileText text;
  const auto read = [&] {
    return until_known([&] { return homes_->read_file(bob(), ".qmail-a", text); });
  };
  ASSERT_EQ(read().value(), rcpt::Look::yes);
  write_file("/bob/.qmail-a", "two");
  ASSERT_EQ(read().value(), rcpt::Look::yes);
  EXPECT_EQ(text.bytes, "one");
  homes_->forget();
  ASSERT_EQ(read().value(), rcpt::Look::yes);
  EXPECT_EQ(text.bytes, "two");
}

TEST_F(HomesTest, TablesOfAnOwner) {
  const auto write_table = [&](const std::string& key) {
    write_file("/bob/new.cdb", "");
    const Fd file(open((top_ + "/bob/new.cdb").c_str(), O_RDWR | O_CLOEXEC));
    maps::CdbWriter writer(file.get());
    ASSERT_TRUE(writer.add(key, "").ok());
    ASSERT_TRUE(writer.finish().ok());
    ASSERT_EQ(chmod((top_ + "/bob/new.cdb").c_str(), 0600), 0);
    ASSERT_EQ(rename((top_ + "/bob/new.cdb").c_str(), (top_ + "/bob/t.cdb").c_str()), 0);
  };
  write_table("a");
  write_file("/bob/none.cdb", "not a cdb");
  start(0);
  const auto find = [&](const std::string& name, std::string_view key) -> std::string {
    const std::string_view keys[] = {"-", key};
    maps::TableFinding finding;
    const Result<rcpt::Look> look = until_known([&] {
      return homes_->find_key(bob(), {name, maps::TableKind::aliases, keys}, finding);
    });
    if (!look.ok()) return "fault";
    if (look.value() == rcpt::Look::no) return "no table";
    return finding.answer == maps::Answer::absent ? "absent" : "key " + std::to_string(finding.key);
  };
  EXPECT_EQ(find("t.cdb", "a"), "key 1");
  EXPECT_EQ(find("t.cdb", "b"), "absent");
  write_table("b");
  EXPECT_EQ(find(top_ + "/bob/t.cdb", "b"), "key 1");
  EXPECT_EQ(find("t.cdb", "b"), "key 1") << "a replaced table is noticed";
  EXPECT_EQ(find("missing.cdb", "a"), "no table");
  EXPECT_EQ(find("none.cdb", "a"), "fault");
  EXPECT_EQ(find("../bob/t.cdb", "a"), "fault");
  EXPECT_EQ(find("t.cdb", std::string(agent::kMaxKeys, 'x')), "fault");
  ASSERT_EQ(unlink((top_ + "/bob/t.cdb").c_str()), 0);
  EXPECT_EQ(find("t.cdb", "b"), "no table");
}

TEST_F(HomesTest, AnswersOfTablesAreReusedForAWhile) {
  write_file("/bob/t.cdb", "");
  {
    const Fd file(open((top_ + "/bob/t.cdb").c_str(), O_RDWR | O_CLOEXEC));
    maps::CdbWriter writer(file.get());
    ASSERT_TRUE(writer.add("no", "c:1:16:g:/d:q").ok());
    ASSERT_TRUE(writer.finish().ok());
  }
  start(kLongUs);
  maps::TableFinding finding;
  const auto find = [&](std::string_view first, std::string_view second, maps::TableKind kind) {
    const std::string_view keys[] = {first, second};
    return until_known([&] { return homes_->find_key(bob(), {"t.cdb", kind, keys}, finding); });
  };
  ASSERT_EQ(find("eve", "no", maps::TableKind::vpasswd).value(), rcpt::Look::yes);
  EXPECT_EQ(finding.mailbox, maps::Mailbox::bounces);
  ASSERT_EQ(find("no", "eve", maps::TableKind::vpasswd).value(), rcpt::Look::yes);
  EXPECT_EQ(finding.key, 0) << "other keys, another question";
  ASSERT_EQ(find("eve", "no", maps::TableKind::aliases).value(), rcpt::Look::yes);
  EXPECT_EQ(finding.mailbox, maps::Mailbox::takes_mail) << "another kind, another question";
  EXPECT_EQ(asked(), 3u);
  ASSERT_EQ(unlink((top_ + "/bob/t.cdb").c_str()), 0);
  ASSERT_EQ(find("eve", "no", maps::TableKind::vpasswd).value(), rcpt::Look::yes);
  EXPECT_EQ(finding.mailbox, maps::Mailbox::bounces);
  EXPECT_EQ(asked(), 3u);
  homes_->forget();
  EXPECT_EQ(find("eve", "no", maps::TableKind::vpasswd).value(), rcpt::Look::no);
}

TEST_F(HomesTest, RootsHomeIsNotLookedInto) {
  start(kLongUs);
  rcpt::Owner root{"root", 0, 0, "/root"};
  EXPECT_FALSE(until_known([&] { return homes_->has_file(root, ".qmail-a"); }).ok());
}

TEST_F(HomesTest, ManyWaitForOneQuestion) {
  start(kLongUs);
  lookups_->begin(loop_.now_us());
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(passwd_->find_user("bob", owner_).value(), rcpt::Look::pending);
    lookups_->waits_for()->waiting.push_back(static_cast<std::uint32_t>(i));
  }
  EXPECT_EQ(asked(), 1u);
}

}  // namespace
}  // namespace qv::verify
