// SPDX-License-Identifier: 0BSD
#include "control/file_stamp.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <type_traits>

#include "tests/fakes/test_tree.h"

namespace qv::control {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct stat changed_at(std::int64_t mtime_ns, std::int64_t ctime_ns) {
  struct stat st {};
  st.st_dev = 1;
  st.st_ino = 2;
  st.st_size = 3;
  st.st_mtim = {mtime_ns / kSecond, mtime_ns % kSecond};
  st.st_ctim = {ctime_ns / kSecond, ctime_ns % kSecond};
  return st;
}

TEST(FileStamp, AnOldOneHoldsUntilSomethingChanges) {
  const FileStamp before = stamp_of(changed_at(10 * kSecond, 11 * kSecond), 100 * kSecond);
  EXPECT_EQ(before.settled, 1U);
  EXPECT_TRUE(still_holds(before, before));
  FileStamp now = before;
  now.settled = 0;
  EXPECT_TRUE(still_holds(before, now));

  std::uint64_t FileStamp::*const counts[] = {&FileStamp::device, &FileStamp::inode,
                                              &FileStamp::size};
  for (const auto member : counts) {
    now = before;
    now.*member += 1;
    EXPECT_FALSE(still_holds(before, now));
  }
  std::int64_t FileStamp::*const moments[] = {&FileStamp::modified_ns, &FileStamp::changed_ns};
  for (const auto member : moments) {
    now = before;
    now.*member += 1;
    EXPECT_FALSE(still_holds(before, now));
  }
}

// A change in the same tick of the file system's clock leaves the same stamp.
TEST(FileStamp, AFreshOneNeverHolds) {
  const FileStamp by_mtime = stamp_of(changed_at(99 * kSecond, 1 * kSecond), 100 * kSecond);
  EXPECT_FALSE(still_holds(by_mtime, by_mtime));
  const FileStamp by_ctime = stamp_of(changed_at(1 * kSecond, 99 * kSecond), 100 * kSecond);
  EXPECT_FALSE(still_holds(by_ctime, by_ctime));
  const FileStamp in_the_future = stamp_of(changed_at(500 * kSecond, 1 * kSecond), 100 * kSecond);
  EXPECT_FALSE(still_holds(in_the_future, in_the_future));
}

TEST(FileStamp, NoneHoldsForNothing) { EXPECT_FALSE(still_holds(FileStamp{}, FileStamp{})); }

// It goes over a socket as it lies in memory.
TEST(FileStamp, HasNoByteThatBelongsToNoMember) {
  static_assert(std::has_unique_object_representations_v<FileStamp>);
  static_assert(std::is_trivially_copyable_v<FileStamp>);
}

TEST(FileStamp, OfWhatIsNotThereIsTheErrno) {
  const FileStamp stamp = take_stamp("/nonexistent/file");
  EXPECT_EQ(stamp.errnum, ENOENT);
  EXPECT_EQ(stamp.inode, 0U);
}

TEST(ReadRegularFile, SaysWhatWasThereAndWhetherItIsFinished) {
  const TestTree tree;
  const struct {
    const char* text;
    bool unfinished;
  } rows[] = {{"", true}, {"a", true}, {"a\nb", true}, {"a\n", false}, {"\n", false}};
  for (const auto& row : rows) {
    tree.write("file", row.text);
    SourceStamp seen;
    const Result<std::string> text = read_regular_file(tree.path("file"), 100, seen);
    ASSERT_TRUE(text.ok());
    EXPECT_EQ(text.value(), row.text);
    EXPECT_EQ(seen.path, tree.path("file"));
    EXPECT_EQ(seen.size, text.value().size());
    EXPECT_EQ(seen.unfinished, row.unfinished) << row.text;
    EXPECT_EQ(seen.settled, 0U);
  }
}

TEST(ReadRegularFile, WhatIsNoneIsAFault) {
  const TestTree tree;
  tree.write("directory/file", "a\n");
  tree.write("long", "more than three\n");
  SourceStamp seen;
  for (const char* name : {"directory", "long", "absent"}) {
    const Result<std::string> text = read_regular_file(tree.path(name), 3, seen);
    ASSERT_FALSE(text.ok()) << name;
    EXPECT_EQ(text.error().fault, Fault::config) << name;
  }
  EXPECT_EQ(seen.errnum, ENOENT);
}

}  // namespace
}  // namespace qv::control
