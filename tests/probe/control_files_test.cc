// SPDX-License-Identifier: 0BSD
#include "probe/control_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace qv::probe {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qv-control-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    files_.emplace(directory_, control::end_of_time_ns);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  // By rename, as an operator's tool would.
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/new") << text;
    std::filesystem::rename(directory_ + "/new", directory_ + "/" + name);
  }
  control::Change read() {
    problems_.clear();
    return files_->read(now_us_ += 1000000, problems_);
  }
  bool probed(const std::string& domain) { return files_->routes().find(domain).has_value(); }

  std::string directory_;
  std::optional<ControlFiles> files_;
  std::vector<control::Problem> problems_;
  std::int64_t now_us_ = 0;
};

TEST_F(Files, MayAllBeMissing) {
  EXPECT_EQ(read(), control::Change::changed);
  EXPECT_TRUE(problems_.empty());
  EXPECT_FALSE(probed("x.example"));
  EXPECT_TRUE(files_->update_users().empty());
  EXPECT_NE(files_->me(), "");
}

TEST_F(Files, AreReadAgainWhenTheyHaveChanged) {
  write("verifyprobe", "x.example:mail\n");
  write("me", "mx.example.org\n");
  write("probe_update_users", "1234\nroot\n");
  EXPECT_EQ(read(), control::Change::changed);
  EXPECT_TRUE(probed("x.example"));
  EXPECT_EQ(files_->me(), "mx.example.org");
  EXPECT_EQ(files_->update_users(), (std::set<uid_t>{0, 1234}));
  EXPECT_EQ(read(), control::Change::none);
  write("verifyprobe", "y.example:mail\n");
  EXPECT_EQ(read(), control::Change::changed);
  EXPECT_FALSE(probed("x.example"));
  EXPECT_TRUE(probed("y.example"));
  unlink((directory_ + "/verifyprobe").c_str());
  EXPECT_EQ(read(), control::Change::changed);
  EXPECT_FALSE(probed("y.example"));
}

TEST_F(Files, AMistakeKeepsTheOldContents) {
  write("verifyprobe", "x.example:mail\n");
  read();
  write("verifyprobe", "y.example:mail\nnonsense\n");
  read();
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_TRUE(probed("x.example"));
  EXPECT_FALSE(probed("y.example"));
  // SIGHUP reads them once more.
  files_->forget();
  read();
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_TRUE(probed("x.example"));
  EXPECT_FALSE(probed("y.example"));
  write("verifyprobe", "y.example:mail\n");
  read();
  EXPECT_TRUE(probed("y.example"));
}

TEST_F(Files, AtTheStartTheGoodLinesCount) {
  write("verifyprobe", "y.example:mail\nnonsense\n");
  write("probe_update_users", "no-such-user-anywhere\n7\n");
  read();
  EXPECT_EQ(problems_.size(), 2u);
  EXPECT_TRUE(probed("y.example"));
  EXPECT_EQ(files_->update_users(), (std::set<uid_t>{7}));
}

TEST_F(Files, OneThatCannotBeReadKeepsTheOldContents) {
  write("verifyprobe", "x.example:mail\n");
  read();
  unlink((directory_ + "/verifyprobe").c_str());
  std::filesystem::create_directory(directory_ + "/verifyprobe");
  read();
  EXPECT_EQ(problems_.size(), 1u);
  EXPECT_TRUE(probed("x.example"));
}

}  // namespace
}  // namespace qv::probe
