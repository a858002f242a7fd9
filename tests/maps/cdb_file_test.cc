// SPDX-License-Identifier: 0BSD
#include "maps/cdb_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "core/file.h"
#include "maps/cdb_writer.h"

namespace qv::maps {
namespace {

class CdbFileTest : public testing::Test {
 protected:
  void SetUp() override {
    guard_against_truncation();
    path_ = testing::TempDir() + "cdb_file_test." + std::to_string(getpid());
  }
  void TearDown() override { unlink(path_.c_str()); }

  void build(const std::vector<std::pair<std::string, std::string>>& records) {
    const Fd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd.valid());
    CdbWriter writer(fd.get());
    for (const auto& [key, value] : records) ASSERT_TRUE(writer.add(key, value).ok());
    ASSERT_TRUE(writer.finish().ok());
  }
  void build_many(int n) {
    std::vector<std::pair<std::string, std::string>> records;
    for (int i = 0; i < n; ++i)
      records.emplace_back("key" + std::to_string(i), std::string(40, 'v'));
    build(records);
  }
  off_t length() const {
    struct stat st {};
    return stat(path_.c_str(), &st) == 0 ? st.st_size : -1;
  }

  std::string path_;
};

TEST_F(CdbFileTest, FindsBytesAndTellsAbsence) {
  build(
      {{"a", "1"}, {std::string("n\0l", 3), std::string("v\0w", 3)}, {"", "empty key"}, {"e", ""}});
  const auto file = CdbFile::open(path_.c_str());
  ASSERT_TRUE(file.ok());
  std::string_view value = "untouched";
  EXPECT_EQ(file.value().find("b", value).value(), Answer::absent);
  EXPECT_EQ(value, "untouched");
  EXPECT_EQ(file.value().find("a", value).value(), Answer::found);
  EXPECT_EQ(value, "1");
  EXPECT_EQ(file.value().find(std::string_view("n\0l", 3), value).value(), Answer::found);
  EXPECT_EQ(value, std::string_view("v\0w", 3));
  EXPECT_EQ(file.value().find("", value).value(), Answer::found);
  EXPECT_EQ(value, "empty key");
  EXPECT_EQ(file.value().find("e", value).value(), Answer::found);
  EXPECT_TRUE(value.empty());
  EXPECT_EQ(file.value().find(std::string(100000, 'x'), value).value(), Answer::absent);
}

TEST_F(CdbFileTest, WalksAllRecords) {
  build({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  const auto file = CdbFile::open(path_.c_str());
  ASSERT_TRUE(file.ok());
  std::uint32_t position = 0;
  std::string seen;
  std::string_view key;
  std::string_view value;
  while (file.value().next(position, key, value).value() == Answer::found) {
    seen += std::string(key) + "=" + std::string(value) + ";";
  }
  EXPECT_EQ(seen, "a=1;b=2;c=3;");
}

TEST_F(CdbFileTest, AnEmptyTableIsWhole) {
  build({});
  const auto file = CdbFile::open(path_.c_str());
  ASSERT_TRUE(file.ok());
  std::string_view value;
  EXPECT_EQ(file.value().find("a", value).value(), Answer::absent);
}

TEST_F(CdbFileTest, EveryTruncationIsRefused) {
  build({{"a", "1"}, {"b", "2"}});
  for (off_t n = length() - 1; n >= 0; --n) {
    ASSERT_EQ(truncate(path_.c_str(), n), 0);
    EXPECT_FALSE(CdbFile::open(path_.c_str()).ok()) << n;
  }
}

TEST_F(CdbFileTest, AppendedBytesAreRefused) {
  build({{"a", "1"}});
  ASSERT_EQ(truncate(path_.c_str(), length() + 8), 0);
  EXPECT_FALSE(CdbFile::open(path_.c_str()).ok());
}

// Each flipped byte may change what is found, but only to what a whole table could say, or Fault.
TEST_F(CdbFileTest, FlippedBytesNeverCrash) {
  build({{"a", "1"}, {"b", "2"}});
  const Fd fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  for (off_t at = 0; at < length(); ++at) {
    unsigned char byte = 0;
    ASSERT_EQ(pread(fd.get(), &byte, 1, at), 1);
    const unsigned char flipped = static_cast<unsigned char>(byte ^ 0xffu);
    ASSERT_EQ(pwrite(fd.get(), &flipped, 1, at), 1);
    if (const auto file = CdbFile::open(path_.c_str()); file.ok()) {
      std::string_view value;
      (void)file.value().find("a", value);
      std::uint32_t position = 0;
      std::string_view key;
      for (int i = 0; i < 100; ++i) {
        const auto more = file.value().next(position, key, value);
        if (!more.ok() || more.value() == Answer::absent) break;
      }
    }
    ASSERT_EQ(pwrite(fd.get(), &byte, 1, at), 1);
  }
}

// Without the guard this test dies of SIGBUS.  The answer must be Fault, and stay Fault: pages of
// zeros read as a hash table would say "absent".
TEST_F(CdbFileTest, TruncationWhileMappedIsAFaultForEver) {
  build_many(20000);
  const auto file = CdbFile::open(path_.c_str());
  ASSERT_TRUE(file.ok());
  std::string_view value;
  EXPECT_EQ(file.value().find("key7", value).value(), Answer::found);
  ASSERT_EQ(truncate(path_.c_str(), 4096), 0);
  EXPECT_FALSE(file.value().find("key7", value).ok());
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(file.value().find("key" + std::to_string(i), value).ok());
  }
}

// A record in the last page that is left reads as ever, or as zeros: no look at it shows that the
// pages behind it are gone.
TEST_F(CdbFileTest, KnowsThatItWasCutShortBehindWhatWasRead) {
  build_many(20000);
  const auto file = CdbFile::open(path_.c_str());
  ASSERT_TRUE(file.ok());
  std::string_view value;
  ASSERT_EQ(file.value().find("key0", value).value(), Answer::found);
  EXPECT_TRUE(file.value().still_whole().ok());
  ASSERT_EQ(truncate(path_.c_str(), 2080), 0);
  EXPECT_NE(value, std::string(40, 'v'));
  EXPECT_FALSE(file.value().still_whole().ok());
}

TEST_F(CdbFileTest, AnUnfinishedWriterLeavesNothingBehind) {
  const Fd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  {
    CdbWriter writer(fd.get());
    ASSERT_TRUE(writer.add("k", "1").ok());
  }
  EXPECT_FALSE(CdbFile::open(path_.c_str()).ok());
}

TEST_F(CdbFileTest, WhatIsNotAFileIsRefused) {
  EXPECT_FALSE(CdbFile::open("/").ok());
  EXPECT_FALSE(CdbFile::open("/dev/null").ok());
  EXPECT_FALSE(CdbFile::open("/nonexistent").ok());
}

}  // namespace
}  // namespace qv::maps
