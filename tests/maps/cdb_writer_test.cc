// SPDX-License-Identifier: 0BSD
#include "maps/cdb_writer.h"

#include <gtest/gtest.h>

#include "maps/open.h"
#include "tests/maps/cdb_maker.h"

namespace qv::maps {
namespace {

class CdbWriterTest : public testing::Test {
 protected:
  // Builds the table; what was told about duplicates, in order.
  std::string build(const Records& records, Duplicates duplicates) {
    const std::string path = scratch_.write("t.cdb", "");
    const Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    CdbWriter writer(fd.get());
    for (const auto& [key, value] : records) EXPECT_TRUE(writer.add(key, value).ok());
    std::string told;
    EXPECT_TRUE(
        writer.finish(duplicates, [&](std::string_view key) { told += std::string(key) + " "; })
            .ok());
    left_ = writer.records();
    return told;
  }
  // Every record of the file, as a reader walks it.
  std::string listed() {
    std::string detail;
    const auto map = open_map("cdb:" + scratch_.path("t"), {}, detail);
    if (!map.ok()) return detail;
    std::string out;
    std::string key;
    std::string value;
    for (Step step = Step::first;; step = Step::next) {
      const Result<Answer> more = map.value()->sequence(step, key, value);
      if (!more.ok()) return "fault";
      if (more.value() == Answer::absent) return out;
      out += key + "=" + value + " ";
    }
  }
  std::string find(std::string_view key) {
    std::string detail;
    const auto map = open_map("cdb:" + scratch_.path("t"), {}, detail);
    if (!map.ok()) return detail;
    std::string value;
    const Result<Answer> answer = map.value()->lookup(key, value);
    return answer.ok() ? (answer.value() == Answer::found ? value : "absent") : "fault";
  }

  Scratch scratch_;
  std::uint64_t left_ = 0;
};

const Records kTwice = {{"a", "1"}, {"b", "2"}, {"a", "3"}, {"c", "4"}, {"b", "five"}, {"a", "6"}};

TEST_F(CdbWriterTest, KeepsTheFirstOfEachKey) {
  EXPECT_EQ(build(kTwice, Duplicates::keep_first).size(), 6u);
  EXPECT_EQ(listed(), "a=1 b=2 c=4 ");
  EXPECT_EQ(left_, 3u);
  EXPECT_EQ(find("b"), "2");
}

TEST_F(CdbWriterTest, KeepsTheLastOfEachKey) {
  build(kTwice, Duplicates::keep_last);
  EXPECT_EQ(listed(), "c=4 b=five a=6 ");
  EXPECT_EQ(find("a"), "6");
  EXPECT_EQ(find("b"), "five");
  EXPECT_EQ(find("c"), "4");
}

TEST_F(CdbWriterTest, KeepsAllWhereAsked) {
  EXPECT_EQ(build(kTwice, Duplicates::keep_all), "");
  EXPECT_EQ(left_, 6u);
  EXPECT_EQ(find("a"), "1") << "a look-up finds the first";
}

TEST_F(CdbWriterTest, TellsKeysWithOneHashApart) {
  const Records records = {{"aaB", "1"}, {"aba", "2"}};
  EXPECT_EQ(build(records, Duplicates::keep_first), "");
  EXPECT_EQ(find("aaB"), "1");
  EXPECT_EQ(find("aba"), "2");
}

TEST_F(CdbWriterTest, FindsEveryOneOfMany) {
  Records records;
  for (int i = 0; i < 50'000; ++i) records.emplace_back("k" + std::to_string(i), std::to_string(i));
  // In all buckets, at both ends and in the middle of the file.
  for (int i = 0; i < 50'000; i += 97) records.emplace_back("k" + std::to_string(i), "again");
  build(records, Duplicates::keep_first);
  EXPECT_EQ(left_, 50'000u);
  std::string detail;
  const auto map = open_map("cdb:" + scratch_.path("t"), {}, detail);
  ASSERT_TRUE(map.ok()) << detail;
  std::string value;
  for (int i = 0; i < 50'000; ++i) {
    ASSERT_EQ(map.value()->lookup("k" + std::to_string(i), value).value(), Answer::found);
    ASSERT_EQ(value, std::to_string(i));
  }
  build(records, Duplicates::keep_last);
  EXPECT_EQ(find("k0"), "again");
  EXPECT_EQ(find("k1"), "1");
}

TEST_F(CdbWriterTest, WritesAnEmptyTableAndLargeValues) {
  build({}, Duplicates::keep_first);
  EXPECT_EQ(find("a"), "absent");
  EXPECT_EQ(scratch_.read("t.cdb").size(), 2048u);
  const std::string large(3'000'000, 'x');
  build({{"", "empty"}, {"large", large}, {"after", "1"}}, Duplicates::keep_first);
  EXPECT_EQ(find("large"), large);
  EXPECT_EQ(find("after"), "1");
  EXPECT_EQ(find(""), "empty");
}

TEST_F(CdbWriterTest, RefusesMoreThanACdbCanHold) {
  const std::string path = scratch_.write("t.cdb", "");
  const Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  CdbWriter writer(fd.get());
  // A view of more than there is: refused before it is looked at.
  const char byte = 'x';
  const Result<void> done = writer.add("k", {&byte, std::size_t{4} << 30});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().fault, Fault::config);
}

}  // namespace
}  // namespace qv::maps
