// SPDX-License-Identifier: 0BSD
// rcpt/dotqmail_text.h - the lines of a .qmail file, and its commands whose exit code can be known.
//
// As qmail-local reads it: blanks at the end of a line do not count, a line ends at its first NUL,
// the first character says what it is.  The known programs bounce or not according to a table or a
// text: vpopmail's vdelivermail, vmailmgr's vdeliver, fastforward, bouncesaying.  A command is
// split by the shell's rules for words, quotes and backslashes; one with anything else in it -
// variables, patterns, pipes, redirections - is unknown.
//
// Pure; no allocation.  Threads: none.  Manual: dot-qmail(5), qmail-verify(8).
// Tests: tests/rcpt/dotqmail_text_test.cc, fuzz_dotqmail.cc
#ifndef QV_RCPT_DOTQMAIL_TEXT_H_
#define QV_RCPT_DOTQMAIL_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rcpt/decision.h"

namespace qv::rcpt {

struct DotqmailLine {
  enum class Kind : std::uint8_t {
    comment,      // `#...`, and a blank line that is not the first
    blank_first,  // qmail-local defers such a file
    file,         // `./Maildir/`, `/mbox`
    program,      // `|command`
    list,         // `+list`: from here on addresses only, as in a file with the x bit
    forward,      // `&address`, `address`
  };
  Kind kind = Kind::comment;
  std::string_view text;   // of a program: the part after the `|`; else the line
  std::size_t number = 0;  // from 1, as an editor counts
};

// Walks the lines of a file.  The views point into `text`.
class DotqmailLines {
 public:
  explicit DotqmailLines(std::string_view text) : rest_(text) {}

  // False, with `line` unchanged, after the last one.
  [[nodiscard]] bool next(DotqmailLine& line);

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

struct DotqmailCommand {
  enum class Program : std::uint8_t {
    unknown,       // may exit with any code
    vdelivermail,  // `vdelivermail '' OTHERWISE`
    vdeliver,
    fastforward,  // `fastforward [-nNpPdD] TABLE`
    bounce,       // `bouncesaying TEXT`, without a condition
  };
  // What vdelivermail does with mail for unknown users.
  enum class Otherwise : std::uint8_t {
    deliver,  // to a maildir, an address, a program
    bounce,   // bounce-no-mailbox
    discard,  // delete
  };
  Program program = Program::unknown;
  Otherwise otherwise = Otherwise::deliver;
  bool pass_through = false;      // fastforward -p: exit 99 if it is in the table, 0 if it is not
  bool use_default = false;       // fastforward -d: looks up DEFAULT@HOST, not RECIPIENT
  FixedText<1023> table;          // fastforward's
  FixedText<kMaxReplyText> text;  // bouncesaying's: printable ASCII, other bytes are '?'
};

// The program that a line calls.
[[nodiscard]] DotqmailCommand parse_dotqmail_command(std::string_view command);

}  // namespace qv::rcpt

#endif  // QV_RCPT_DOTQMAIL_TEXT_H_
