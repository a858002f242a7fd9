// SPDX-License-Identifier: 0BSD
#include "maps/source.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/maps/scratch.h"

namespace qv::maps {
namespace {

class Source : public testing::Test {
 protected:
  // Reads the file `name` and sets its stamp.
  std::string read(const std::string& name) {
    std::string detail;
    const Result<std::string> text = read_source(scratch_.path(name), stamp_, detail);
    EXPECT_TRUE(text.ok()) << detail;
    return text.ok() ? text.value() : "";
  }
  // What is said where it cannot be read.
  std::string fails(const std::string& path, Fault fault) {
    std::string detail;
    const Result<std::string> text = read_source(path, stamp_, detail);
    if (text.ok()) {
      ADD_FAILURE() << path << " was read";
      return "";
    }
    EXPECT_EQ(text.error().fault, fault) << detail;
    return detail;
  }
  // Sets the times of the file a second back or more, so that the next change shows.
  void age(const std::string& name) const {
    const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    EXPECT_EQ(utimensat(AT_FDCWD, scratch_.path(name).c_str(), times, 0), 0);
  }

  Scratch scratch_;
  control::SourceStamp stamp_;
};

TEST_F(Source, IsReadAsAWhole) {
  scratch_.write("t", "one\ntwo\n");
  EXPECT_EQ(read("t"), "one\ntwo\n");
  EXPECT_EQ(stamp_.path, scratch_.path("t"));
  EXPECT_EQ(stamp_.size, 8u);
  EXPECT_EQ(stamp_.settled, 0u);
  scratch_.write("empty", "");
  EXPECT_EQ(read("empty"), "");
}

TEST_F(Source, ThatCannotBeReadIsNamed) {
  const std::string nowhere = scratch_.path("nowhere");
  EXPECT_NE(fails(nowhere, Fault::config).find(nowhere + ": No such file"), std::string::npos);
  EXPECT_NE(fails(scratch_.directory(), Fault::config).find("not a regular file"),
            std::string::npos);
}

TEST_F(Source, StaysTheSameUntilItIsChanged) {
  scratch_.write("t", "one");
  age("t");
  read("t");
  EXPECT_EQ(control::compare_source(stamp_), control::SourceState::same);
  EXPECT_FALSE(control::is_written_over(stamp_));

  scratch_.write("t", "two");  // of the same length
  EXPECT_EQ(control::compare_source(stamp_), control::SourceState::changed);
  EXPECT_TRUE(control::is_written_over(stamp_));
}

TEST_F(Source, AnotherFileOfTheNameIsAChangeButNothingWrittenOver) {
  scratch_.write("t", "one");
  read("t");
  // The old one stays, so that the new one is another inode.
  std::filesystem::create_hard_link(scratch_.path("t"), scratch_.path("old"));
  scratch_.replace("t", "one");
  EXPECT_EQ(control::compare_source(stamp_), control::SourceState::changed);
  EXPECT_FALSE(control::is_written_over(stamp_));
}

TEST_F(Source, ThatIsGoneIsUnreadable) {
  scratch_.write("t", "one");
  read("t");
  EXPECT_EQ(unlink(scratch_.path("t").c_str()), 0);
  EXPECT_EQ(control::compare_source(stamp_), control::SourceState::unreadable);
  EXPECT_FALSE(control::is_written_over(stamp_));
}

TEST_F(Source, OfATableThatSeesItsOwnChangesIsAnotherOnlyUnderAnotherInode) {
  scratch_.write("t", "one");
  read("t");
  stamp_.identity_only = true;
  scratch_.write("t", "longer than before");
  EXPECT_EQ(control::compare_source(stamp_), control::SourceState::same);
  std::filesystem::create_hard_link(scratch_.path("t"), scratch_.path("old"));
  scratch_.replace("t", "one");
  EXPECT_EQ(control::compare_source(stamp_), control::SourceState::changed);
}

TEST_F(Source, WithAPasswordIsWarnedOfWhereEverybodyMayRead) {
  const std::string path = scratch_.write("t", "password");
  read("t");
  EXPECT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(warn_if_exposed(stamp_), "");
  EXPECT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_NE(warn_if_exposed(stamp_).find(path), std::string::npos);
}

TEST(DescribeError, SaysWhatAndWhereAndWhy) {
  EXPECT_EQ(describe_error({Fault::retry, ENOENT, "open"}, "/etc/x"),
            "open /etc/x: No such file or directory");
  EXPECT_EQ(describe_error({Fault::config, 0, "damaged"}, ""), "damaged");
}

}  // namespace
}  // namespace qv::maps
