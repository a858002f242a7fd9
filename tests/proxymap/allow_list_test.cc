// SPDX-License-Identifier: 0BSD
#include "proxymap/allow_list.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace qv::proxymap {
namespace {

class AllowListTest : public testing::Test {
 protected:
  AllowListTest() {
    char name[] = "/tmp/qv-allow-XXXXXX";
    directory = mkdtemp(name);
    path = directory + "/maps";
  }
  ~AllowListTest() override {
    unlink(path.c_str());
    unlink((path + ".new").c_str());
    rmdir(directory.c_str());
  }
  void write(const std::string& text) {
    std::ofstream(path + ".new") << text;
    ASSERT_EQ(rename((path + ".new").c_str(), path.c_str()), 0);
  }
  AllowList open() {
    return AllowList(
        path, [this](const control::Problem& p) { problems.push_back(control::to_string(p)); });
  }

  std::string directory;
  std::string path;
  std::int64_t now_us = 0;
  std::vector<std::string> problems;
};

TEST_F(AllowListTest, ApprovesWhatIsWrittenAndNothingElse) {
  write(
      "# tables\nproxy:cdb:/a, proxy:cdb:/b proxy:unix:passwd.byname\n"
      "{ proxy:inline:{ x=1 } }\nproxy:proxy:lmdb:/c\n");
  const AllowList list = open();
  for (const char* table :
       {"cdb:/a", "cdb:/b", "unix:passwd.byname", "inline:{ x=1 }", "lmdb:/c"}) {
    EXPECT_TRUE(list.approves(table)) << table;
  }
  for (const char* table :
       {"cdb:/", "cdb:/a/../b", "cdb:/A", "cdb:/a ", "", "proxy:cdb:/a", "/a"}) {
    EXPECT_FALSE(list.approves(table)) << table;
  }
  EXPECT_TRUE(problems.empty());
}

TEST_F(AllowListTest, NoFileApprovesNothing) {
  const AllowList list = open();
  EXPECT_FALSE(list.approves("cdb:/a"));
  EXPECT_EQ(list.size(), 0u);
}

TEST_F(AllowListTest, SaysWhichLineIsWrong) {
  write("proxy:cdb:/a\ncdb:/b\n");
  const AllowList list = open();
  EXPECT_TRUE(list.approves("cdb:/a"));
  EXPECT_FALSE(list.approves("cdb:/b"));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("maps:2:"), std::string::npos) << problems[0];
}

TEST_F(AllowListTest, FollowsTheFile) {
  write("proxy:cdb:/a\n");
  AllowList list = open();
  list.follow(++now_us);  // the first look may come within the clock's grain of the change
  write("proxy:cdb:/b\n");
  list.follow(++now_us);
  EXPECT_FALSE(list.approves("cdb:/a"));
  EXPECT_TRUE(list.approves("cdb:/b"));
}

TEST_F(AllowListTest, KeepsTheOldListWhereTheNewOneIsWrong) {
  write("proxy:cdb:/a\n");
  AllowList list = open();
  write("proxy:cdb:/b\nnonsense\n");
  list.follow(++now_us);
  EXPECT_TRUE(list.approves("cdb:/a"));
  EXPECT_FALSE(list.approves("cdb:/b"));
  EXPECT_EQ(problems.size(), 2u);
}

TEST_F(AllowListTest, AFileThatGoesApprovesNothing) {
  write("proxy:cdb:/a\n");
  AllowList list = open();
  unlink(path.c_str());
  list.follow(++now_us);
  EXPECT_FALSE(list.approves("cdb:/a"));
  write("proxy:cdb:/a\n");
  list.follow(++now_us);
  EXPECT_TRUE(list.approves("cdb:/a"));
}

TEST(ApprovingLine, IsWhatTheFileTakes) {
  EXPECT_EQ(approving_line("cdb:/a"), "proxy:cdb:/a");
  EXPECT_EQ(approving_line("inline:{ a=b, c=d }"), "{ proxy:inline:{ a=b, c=d } }");
}

}  // namespace
}  // namespace qv::proxymap
