// SPDX-License-Identifier: 0BSD
#include "maps/types/text_table.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/file.h"

namespace qv::maps {
namespace {

std::string lines_of(LogicalLines& lines) {
  std::string out;
  for (;;) {
    std::string_view line;
    const Result<Answer> more = lines.next(line);
    if (!more.ok()) return out + "fault";
    if (more.value() == Answer::absent) return out;
    out += std::to_string(lines.number()) + "<" + std::string(line) + ">";
  }
}
std::string lines_of(std::string_view text) {
  LogicalLines lines(text);
  return lines_of(lines);
}
// The same through a descriptor.
std::string lines_read(std::string_view text) {
  const Fd fd(memfd_create("text", MFD_CLOEXEC));
  EXPECT_TRUE(write_all(fd.get(), text).ok());
  lseek(fd.get(), 0, SEEK_SET);
  LogicalLines lines(fd.get());
  return lines_of(lines);
}

struct Row {
  const char* name;
  std::string_view text;
  const char* lines;
};

class LogicalLinesTest : public testing::TestWithParam<Row> {};

TEST_P(LogicalLinesTest, JoinsAndPassesOver) {
  EXPECT_EQ(lines_of(GetParam().text), GetParam().lines);
  EXPECT_EQ(lines_read(GetParam().text), GetParam().lines);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, LogicalLinesTest,
    testing::Values(Row{"Empty", "", ""}, Row{"OnlyVoid", "\n \n# x\n  # y\n\t", ""},
                    Row{"Plain", "a 1\nb 2\n", "1<a 1>2<b 2>"},
                    Row{"NoNewlineAtEnd", "a 1\nb 2", "1<a 1>2<b 2>"},
                    Row{"Continued", "a\n 1\n\t2\nb 3", "1<a 1\t2>4<b 3>"},
                    Row{"CommentInside", "a\n# c\n\n 1\nb 2", "1<a 1>5<b 2>"},
                    Row{"IndentedComment", "a 1\n  # c\nb 2", "1<a 1>3<b 2>"},
                    Row{"NothingToContinue", "  a\nb", "1<  a>2<b>"},
                    Row{"HashInside", "a #1\n", "1<a #1>"},
                    Row{"CarriageReturn", "a 1\r\n\r\nb 2\r\n", "1<a 1\r>3<b 2\r>"}),
    [](const auto& row) { return row.param.name; });

TEST(LogicalLinesTest, ReadsLinesLongerThanItsBuffer) {
  const std::string big(700'000, 'x');
  const std::string text = "a " + big + "\nb 1\n c\n" + std::string(300'000, '#') + "\nlast 1";
  EXPECT_EQ(lines_read(text), lines_of(text));
  EXPECT_EQ(lines_read(text), "1<a " + big + ">2<b 1 c>5<last 1>");
}

TEST(LogicalLinesTest, MeetsABufferEndAnywhere) {
  std::string text;
  for (int i = 0; i < 60'000; ++i) {
    text += "key" + std::to_string(i) + " value\n";
    if (i % 7 == 0) text += "  more\n";
    if (i % 11 == 0) text += "# comment\n\n";
  }
  EXPECT_EQ(lines_read(text), lines_of(text));
}

std::string entry_of(std::string_view line) {
  TextEntry entry;
  if (const char* wrong = parse_text_entry(line, entry)) return std::string("wrong: ") + wrong;
  return std::string(entry.key) + "|" + std::string(entry.value);
}

TEST(TextEntry, SplitsKeyAndValue) {
  EXPECT_EQ(entry_of("a 1"), "a|1");
  EXPECT_EQ(entry_of("a \t b  c \r"), "a|b  c");
  EXPECT_EQ(entry_of("\"a b\" c"), "a b|c");
  EXPECT_EQ(entry_of("\"a\\\"\\\\b\" c"), "a\"\\b|c");
  EXPECT_EQ(entry_of("a: b"), "a:|b");
  for (const char* bad : {"a", "a  ", " a b", "\"a b", "\"a\"b c", "\"\" x", "\"a\"", "\"a\\"}) {
    EXPECT_EQ(entry_of(bad).substr(0, 6), "wrong:") << bad;
  }
}

}  // namespace
}  // namespace qv::maps
