// SPDX-License-Identifier: 0BSD
#include "rcpt/dotqmail_text.h"

#include <gtest/gtest.h>

#include <string>

namespace qv::rcpt {
namespace {

using namespace std::string_view_literals;

// "cBfplF": one letter per line.
std::string kinds(std::string_view text) {
  std::string out;
  DotqmailLines lines(text);
  DotqmailLine line;
  while (lines.next(line)) {
    out += "cBfplF"[static_cast<int>(line.kind)];
    EXPECT_EQ(line.number, out.size());
  }
  return out;
}

TEST(DotqmailLines, AreOfTheKindsQmailLocalKnows) {
  EXPECT_EQ(kinds(""), "");
  EXPECT_EQ(kinds("\n"), "B");
  EXPECT_EQ(kinds(" \t\n./Maildir/\n"), "Bf") << "blanks at the end do not count";
  EXPECT_EQ(kinds("#\n\n  \n"), "ccc") << "only a first line may not be blank";
  EXPECT_EQ(kinds("./Maildir/\n/var/mbox\n|prog\n&a@b\na@b\n+list\n+other\n"), "ffpFFlc");
  EXPECT_EQ(kinds("./Maildir/"), "f") << "the last line needs no newline";
  EXPECT_EQ(kinds("\0x\n"sv), "B") << "a line ends at its first NUL";
  EXPECT_EQ(kinds(" |prog\n"), "F") << "a blank in front counts";
}

TEST(DotqmailLines, AProgramsTextIsItsCommand) {
  DotqmailLines lines("|prog a \t\n&x@y\n");
  DotqmailLine line;
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line.text, "prog a");
  ASSERT_TRUE(lines.next(line));
  EXPECT_EQ(line.text, "&x@y");
  EXPECT_FALSE(lines.next(line));
}

std::string show(std::string_view text) {
  const DotqmailCommand command = parse_dotqmail_command(text);
  switch (command.program) {
    case DotqmailCommand::Program::unknown:
      return "unknown";
    case DotqmailCommand::Program::vdelivermail:
      switch (command.otherwise) {
        case DotqmailCommand::Otherwise::deliver:
          return "vdelivermail deliver";
        case DotqmailCommand::Otherwise::bounce:
          return "vdelivermail bounce";
        case DotqmailCommand::Otherwise::discard:
          return "vdelivermail discard";
      }
      return "?";
    case DotqmailCommand::Program::vdeliver:
      return "vdeliver";
    case DotqmailCommand::Program::fastforward:
      return std::string("fastforward ") + (command.pass_through ? "p" : "") +
             (command.use_default ? "d" : "") + " " + std::string(command.table.view());
    case DotqmailCommand::Program::bounce:
      return "bounce " + std::string(command.text.view());
  }
  return "?";
}

struct Row {
  std::string_view text;
  std::string_view shown;
};

class Commands : public testing::TestWithParam<Row> {};
TEST_P(Commands, AreTakenApart) { EXPECT_EQ(show(GetParam().text), GetParam().shown); }

INSTANTIATE_TEST_SUITE_P(
    Table, Commands,
    testing::Values(
        Row{"", "unknown"}, Row{"   ", "unknown"}, Row{"procmail", "unknown"},
        Row{"/home/vpopmail/bin/vdelivermail '' bounce-no-mailbox", "vdelivermail bounce"},
        Row{"  vdelivermail  ''   bounce-no-mailbox", "vdelivermail bounce"},
        Row{"vdelivermail \"\" delete", "vdelivermail discard"},
        Row{"vdelivermail '' /home/v/domains/d/postmaster", "vdelivermail deliver"},
        Row{"vdelivermail '' someone@else.example", "vdelivermail deliver"},
        Row{"vdelivermail '' delete extra", "unknown"}, Row{"vdelivermail ''", "unknown"},
        Row{"vdelivermail", "unknown"}, Row{"vdelivermail '' delete || exit 0", "unknown"},
        Row{"vdelivermail '' delete; exit 0", "unknown"}, Row{"vdelivermail '' $ACTION", "unknown"},
        Row{"X=1 vdelivermail '' delete", "unknown"}, Row{"notvdelivermail '' delete", "unknown"},
        Row{"preline vdelivermail '' delete", "unknown"}, Row{"vdeliver", "vdeliver"},
        Row{"/usr/bin/vdeliver", "vdeliver"}, Row{"vdeliver -D", "vdeliver"},
        Row{"fastforward t.cdb", "fastforward  t.cdb"},
        Row{"fastforward -d /etc/aliases.cdb", "fastforward d /etc/aliases.cdb"},
        Row{"fastforward -dp t", "fastforward pd t"},
        Row{"fastforward -d -p t", "fastforward pd t"},
        Row{"fastforward -dpDP t", "fastforward  t"}, Row{"fastforward -- -t", "fastforward  -t"},
        Row{"fastforward -N t", "fastforward  t"}, Row{"fastforward -n t", "unknown"},
        Row{"fastforward -x t", "unknown"}, Row{"fastforward", "unknown"},
        Row{"fastforward a b", "unknown"}, Row{"fastforward ''", "unknown"},
        Row{"fastforward `cat name`", "unknown"},
        Row{"bouncesaying 'No such list.'", "bounce No such list."},
        Row{"bouncesaying \"It's over\"", "bounce It's over"},
        Row{"bouncesaying over\\ now", "bounce over now"}, Row{"bouncesaying ''", "bounce "},
        Row{"bouncesaying 'text' grep x", "unknown"}, Row{"bouncesaying 'open", "unknown"},
        Row{"bouncesaying \"open", "unknown"}, Row{"bouncesaying \"$x\"", "unknown"},
        Row{"bouncesaying a\\", "unknown"}, Row{"bouncesaying", "unknown"},
        Row{"bouncesaying 'a\rb\x80'", "bounce a?b?"}));

TEST(Commands, AreBounded) {
  EXPECT_EQ(show("bouncesaying '" + std::string(1000, 'x') + "'"),
            "bounce " + std::string(kMaxReplyText, 'x'));
  EXPECT_EQ(show("bouncesaying '" + std::string(3000, 'x') + "'"), "unknown");
  EXPECT_EQ(show("fastforward " + std::string(1024, 'x')), "unknown");
}

}  // namespace
}  // namespace qv::rcpt
