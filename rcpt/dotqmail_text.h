// SPDX-License-Identifier: 0BSD
// rcpt/dotqmail_text.h - what a .qmail file says: its lines, and the commands whose end is known.
//
// As qmail-local reads it: blanks at the end of a line do not count, a line ends at its first NUL,
// the first character says what it is.  Of the programs a line may call those are known that decide
// by a table or a text whether they bounce: vpopmail's vdelivermail, vmailmgr's vdeliver,
// fastforward, bouncesaying.  A command is taken apart as far as the shell's rules for words,
// quotes and backslashes go; with anything more in it - variables, patterns, pipes, redirections -
// it is one that is not known.
//
// Pure; no allocation.  Threads: none.  Manual: dot-qmail(5), qmail-verify(8).
// Tests: tests/rcpt/dotqmail_text_test.cc, fuzz_dotqmail.cc
#ifndef QV_RCPT_DOTQMAIL_TEXT_H_
#define QV_RCPT_DOTQMAIL_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rcpt/decision.h"
#include "rcpt/fixed_text.h"

namespace qv {

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
  std::string_view text;   // of a program what stands behind the `|`, else the line
  std::size_t number = 0;  // from 1, as an editor counts
};

// Walks the lines of a file.  The views point into `text`.
class DotqmailLines {
 public:
  explicit DotqmailLines(std::string_view text) : rest_(text) {}

  // False after the last one; `line` is untouched then.
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
    bounce,       // `bouncesaying TEXT`, without a program to ask
  };
  // What vdelivermail does with mail for nobody.
  enum class Otherwise : std::uint8_t {
    deliver,  // to a maildir, an address, a program
    bounce,   // bounce-no-mailbox
    discard,  // delete
  };
  Program program = Program::unknown;
  Otherwise otherwise = Otherwise::deliver;
  bool pass_through = false;      // fastforward -p: exit 99 if it is in the table, 0 if it is not
  bool use_default = false;       // fastforward -d: DEFAULT@HOST is looked for, not RECIPIENT
  FixedText<1023> table;          // fastforward's
  FixedText<kMaxReplyText> text;  // bouncesaying's: printable ASCII, other bytes are '?'
};

// What a program line calls.
[[nodiscard]] DotqmailCommand parse_dotqmail_command(std::string_view command);

}  // namespace qv

#endif  // QV_RCPT_DOTQMAIL_TEXT_H_
