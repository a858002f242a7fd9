// SPDX-License-Identifier: 0BSD
#include "deliver/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "tests/deliver/mailbox_dir.h"

namespace qv::deliver {
namespace {

class SpoolTest : public testing::Test {
 protected:
  // The message that these pieces make, and the descriptor that it is handed on with.
  std::string read_back(const std::vector<std::string>& pieces) {
    Spool spool(dir_.path(""));
    EXPECT_TRUE(spool.open(expected_).ok());
    std::size_t size = 0;
    for (const std::string& piece : pieces) {
      EXPECT_TRUE(spool.append(piece).ok());
      size += piece.size();
    }
    Result<Fd> whole = spool.finish();
    EXPECT_TRUE(whole.ok());
    if (!whole.ok()) return "(nothing)";
    message_ = std::move(whole).value();
    std::string read(size + 1, '\0');
    const ssize_t n = pread(message_.get(), read.data(), read.size(), 0);
    read.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return read;
  }
  bool is_in_the_directory() const {
    struct stat file {};
    struct stat directory {};
    EXPECT_EQ(fstat(message_.get(), &file), 0);
    EXPECT_EQ(stat(dir_.path("").c_str(), &directory), 0);
    return file.st_dev == directory.st_dev;
  }
  MailboxDir dir_;
  std::uint64_t expected_ = 0;
  Fd message_;
};

TEST_F(SpoolTest, KeepsASmallMessageInMemory) {
  EXPECT_EQ(read_back({"hello, ", "world\n"}), "hello, world\n");
  EXPECT_FALSE(is_in_the_directory());
  EXPECT_EQ(read_back({std::string(Spool::kMaxMemory, 'x')}), std::string(Spool::kMaxMemory, 'x'));
  EXPECT_FALSE(is_in_the_directory());
}

TEST_F(SpoolTest, KeepsALargeMessageInAFileWithoutAName) {
  const std::string piece(Spool::kMaxMemory / 3, 'x');
  EXPECT_EQ(read_back({piece, piece, piece, piece, "end"}), piece + piece + piece + piece + "end");
  EXPECT_TRUE(is_in_the_directory());
  EXPECT_TRUE(dir_.list("").empty());
  const std::string large(Spool::kMaxMemory + 1, 'y');
  EXPECT_EQ(read_back({large}), large);
  EXPECT_TRUE(is_in_the_directory());
}

TEST_F(SpoolTest, AMessageThatIsAnnouncedAsLargeIsInAFileFromTheBeginning) {
  expected_ = Spool::kMaxMemory + 1;
  EXPECT_EQ(read_back({"small after all"}), "small after all");
  EXPECT_TRUE(is_in_the_directory());
}

TEST_F(SpoolTest, AnEmptyMessageIsOne) { EXPECT_EQ(read_back({}), ""); }

TEST_F(SpoolTest, NobodyWhoHasTheMessageCanChangeIt) {
  for (const std::size_t size : {std::size_t{5}, Spool::kMaxMemory * 2}) {
    read_back({std::string(size, 'x')});
    EXPECT_LT(write(message_.get(), "y", 1), 0) << size;
    EXPECT_LT(pwrite(message_.get(), "y", 1, 0), 0) << size;
    EXPECT_NE(ftruncate(message_.get(), 0), 0) << size;
  }
}

TEST_F(SpoolTest, ASealedMessageCannotBeOpenedForWritingEither) {
  read_back({"x"});
  const std::string self = "/proc/self/fd/" + std::to_string(message_.get());
  const Fd again(open(self.c_str(), O_RDWR));
  ASSERT_TRUE(again.valid());
  EXPECT_LT(pwrite(again.get(), "y", 1, 0), 0);
}

TEST_F(SpoolTest, SaysWhatItCannotKeep) {
  Spool nowhere(dir_.path("none"));
  EXPECT_FALSE(nowhere.open(Spool::kMaxMemory + 1).ok());
  ASSERT_TRUE(nowhere.open(0).ok());
  EXPECT_TRUE(nowhere.append("x").ok());
  EXPECT_FALSE(nowhere.append(std::string(Spool::kMaxMemory, 'x')).ok());

  signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small = old;
  small.rlim_cur = 100;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Spool limited(dir_.path(""));
  ASSERT_TRUE(limited.open(0).ok());
  const Result<void> kept = limited.append(std::string(200, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  ASSERT_FALSE(kept.ok());
  EXPECT_EQ(kept.error().errnum, EFBIG);
}

TEST_F(SpoolTest, TakesAPipeToItsEnd) {
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  ASSERT_EQ(write(pipes[1], "hello", 5), 5);
  close(pipes[1]);
  Spool spool(dir_.path(""));
  ASSERT_TRUE(spool.open(0).ok());
  ASSERT_TRUE(spool.append_all(pipes[0]).ok());
  close(pipes[0]);
  const Result<Fd> message = spool.finish();
  ASSERT_TRUE(message.ok());
  char text[6] = {};
  EXPECT_EQ(pread(message.value().get(), text, 5, 0), 5);
  EXPECT_STREQ(text, "hello");
}

}  // namespace
}  // namespace qv::deliver
