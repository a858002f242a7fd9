// SPDX-License-Identifier: 0BSD
#include "control/lines.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/fakes/test_tree.h"

namespace qv::control {
namespace {

using Numbered = std::vector<std::pair<int, std::string>>;

Numbered parse(std::string_view text) {
  std::vector<ControlLine> lines;
  EXPECT_TRUE(parse_control_text(text, lines));
  Numbered out;
  for (const ControlLine& line : lines) out.emplace_back(line.number, line.text);
  return out;
}

struct Row {
  const char* name;
  std::string text;
  Numbered lines;
};

class Lines : public testing::TestWithParam<Row> {};

TEST_P(Lines, AreReadAsQmailReadsThem) { EXPECT_EQ(parse(GetParam().text), GetParam().lines); }

INSTANTIATE_TEST_SUITE_P(
    Table, Lines,
    testing::Values(
        Row{"nothing", "", {}}, Row{"one", "a\n", {{1, "a"}}},
        Row{"last_without_newline", "a\nb", {{1, "a"}, {2, "b"}}},
        Row{"comments_and_empty_lines_count", "#x\n\na\n \t\nb\n", {{3, "a"}, {5, "b"}}},
        Row{"a_cr_is_no_blank", "a \t \nb\r\n", {{1, "a"}, {2, "b\r"}}},
        Row{"leading_blanks_stay", " a\n\t#b\n", {{1, " a"}, {2, "\t#b"}}},
        Row{"eight_bit", "\xe4\xff\n", {{1, "\xe4\xff"}}},
        Row{"hash_inside", "a#b\n", {{1, "a#b"}}}, Row{"only_newlines", "\n\n\n", {}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Lines, ANulIsRefused) {
  std::vector<ControlLine> lines;
  EXPECT_FALSE(parse_control_text(std::string_view("a\nb\0c\n", 6), lines));
}

TEST(ControlFile, AMissingFileIsAnAnswer) {
  const TestTree tree;
  const auto read = read_control_file(tree.path("control/locals"));
  ASSERT_TRUE(read.ok());
  EXPECT_FALSE(read.value().has_value());
}

TEST(ControlFile, AnEmptyFileHasNoLines) {
  const TestTree tree;
  tree.write("locals", "");
  const auto read = read_control_file(tree.path("locals"));
  ASSERT_TRUE(read.ok());
  ASSERT_TRUE(read.value().has_value());
  EXPECT_TRUE(read.value()->empty());
}

TEST(ControlFile, WhatCannotBeOneIsAFault) {
  const TestTree tree;
  tree.write("nul", std::string_view("a\0", 2));
  tree.write("directory/file", "");
  ASSERT_EQ(mkfifo(tree.path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(symlink("loop", tree.path("loop").c_str()), 0);
  for (const char* name : {"nul", "directory", "fifo", "loop"}) {
    EXPECT_FALSE(read_control_file(tree.path(name)).ok()) << name;
  }
}

TEST(ControlFile, ATooLargeFileIsAFault) {
  const TestTree tree;
  tree.write("large", "");
  ASSERT_EQ(truncate(tree.path("large").c_str(), off_t{kMaxControlFile} + 1), 0);
  const auto read = read_control_file(tree.path("large"));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().fault, Fault::config);
}

TEST(Problem, SaysWhereAndWhat) {
  EXPECT_EQ(to_string(Problem{"control/locals", 7, "bad"}), "control/locals:7: bad");
  EXPECT_EQ(to_string(Problem{"LISTEN", 0, "bad"}), "LISTEN: bad");
}

}  // namespace
}  // namespace qv::control
