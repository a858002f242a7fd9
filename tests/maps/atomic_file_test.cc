// SPDX-License-Identifier: 0BSD
#include "maps/atomic_file.h"

#include <gtest/gtest.h>

#include "tests/maps/scratch.h"

namespace qv::maps {
namespace {

class AtomicFileTest : public testing::Test {
 protected:
  mode_t mode_of(std::string_view name) const {
    struct stat st {};
    EXPECT_EQ(stat(scratch_.path(name).c_str(), &st), 0);
    return st.st_mode & 07777;
  }
  int files() const {
    int n = 0;
    for (const auto& entry : std::filesystem::directory_iterator(scratch_.directory())) {
      static_cast<void>(entry);
      ++n;
    }
    return n;
  }
  // Creates, writes and commits.
  bool put(std::string_view name, std::string_view text,
           const std::optional<FileOwner>& source = std::nullopt) {
    Result<AtomicFile> file = AtomicFile::create(scratch_.path(name), source, detail_);
    if (!file.ok()) return false;
    EXPECT_TRUE(write_all(file.value().fd(), text).ok());
    return file.value().commit(detail_).ok();
  }

  Scratch scratch_;
  std::string detail_;
};

TEST_F(AtomicFileTest, ReplacesWhole) {
  scratch_.write("t", "old", 0640);
  chmod(scratch_.path("t").c_str(), 0640);
  ASSERT_TRUE(put("t", "new")) << detail_;
  EXPECT_EQ(scratch_.read("t"), "new");
  EXPECT_EQ(mode_of("t"), 0640u) << "the mode of the file before";
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFileTest, LeavesNothingBehindWithoutCommit) {
  scratch_.write("t", "old");
  {
    Result<AtomicFile> file = AtomicFile::create(scratch_.path("t"), std::nullopt, detail_);
    ASSERT_TRUE(file.ok()) << detail_;
    EXPECT_EQ(files(), 2);
    const AtomicFile moved = std::move(file).value();
    EXPECT_TRUE(write_all(moved.fd(), "half").ok());
  }
  EXPECT_EQ(scratch_.read("t"), "old");
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFileTest, ANewFileIsAsItsSource) {
  ASSERT_TRUE(put("t", "x", FileOwner{geteuid(), getegid(), 0604})) << detail_;
  EXPECT_EQ(mode_of("t"), 0604u);
}

TEST_F(AtomicFileTest, RefusesADirectoryThatEverybodyMayWriteTo) {
  chmod(scratch_.directory().c_str(), 0777);
  EXPECT_FALSE(put("t", "x"));
  EXPECT_NE(detail_.find("everybody"), std::string::npos);
  chmod(scratch_.directory().c_str(), 01777);
  EXPECT_TRUE(put("t", "x")) << detail_;
}

TEST_F(AtomicFileTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(mkdir(scratch_.path("d").c_str(), 0755), 0);
  EXPECT_FALSE(put("d", "x"));
  ASSERT_EQ(symlink("/etc/passwd", scratch_.path("l").c_str()), 0);
  EXPECT_FALSE(put("l", "x"));
  EXPECT_FALSE(put("no/t", "x"));
  EXPECT_FALSE(detail_.empty());
}

TEST_F(AtomicFileTest, RootLeavesNoFileOfItsOwnWithSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can try";
  ASSERT_EQ(chown(scratch_.directory().c_str(), 65534, 65534), 0);
  EXPECT_FALSE(put("t", "x", FileOwner{0, 0, 0644}));
  EXPECT_NE(detail_.find("65534"), std::string::npos) << detail_;
  ASSERT_TRUE(put("t", "x", FileOwner{65534, 65534, 0644})) << detail_;
  struct stat st {};
  ASSERT_EQ(stat(scratch_.path("t").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 65534u);
  ASSERT_TRUE(put("stdin", "x")) << detail_;
  ASSERT_EQ(stat(scratch_.path("stdin").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 65534u) << "of a pipe: the owner of the directory";
}

}  // namespace
}  // namespace qv::maps
