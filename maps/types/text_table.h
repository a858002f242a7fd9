// SPDX-License-Identifier: 0BSD
// maps/types/text_table.h - how a table's text is read: logical lines, as Postfix's tables have
// them, and the key and the value of each.
//
// Empty lines, lines of blanks only and lines whose first non-blank character is '#' are skipped.
// A line that begins with a blank continues the one before it, without its newline and with its
// blanks.  Comments and empty lines do not end a logical line.
//
// Reads text in memory, or a descriptor through a buffer that grows only for a long line.
// Threads: none.  Tests: tests/maps/text_table_test.cc, fuzz_text_table.cc
#ifndef QV_MAPS_TYPES_TEXT_TABLE_H_
#define QV_MAPS_TYPES_TEXT_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/map.h"

namespace qv::maps {

inline constexpr std::size_t kMaxLogicalLine = std::size_t{64} << 20;  // bytes

class LogicalLines {
 public:
  // REQUIRES: `text` outlives this object.
  explicit LogicalLines(std::string_view text);
  // REQUIRES: `fd` stays open as long as this object is used; it is not closed.
  explicit LogicalLines(int fd);

  // found: `line` is the next logical line without its newline, valid until the next call; it is
  // not empty and begins with a non-blank, except for a first line with nothing to continue.
  // absent: the end.  Errors: read; a line longer than kMaxLogicalLine (config).
  [[nodiscard]] Result<Answer> next(std::string_view& line);

  // Number of the physical line the last logical line began on, from 1.
  [[nodiscard]] std::uint64_t number() const { return first_number_; }
  // Bytes of the source that have been passed.
  [[nodiscard]] std::uint64_t position() const { return passed_ + at_; }

 private:
  // Finds the physical line at at_: sets end_ to its newline or to the end of the text.  absent:
  // there is none.
  [[nodiscard]] Result<Answer> find_line();
  [[nodiscard]] Result<void> refill();
  void step_over();
  [[nodiscard]] Result<void> join_continuations();

  int fd_ = -1;
  bool at_end_ = false;       // nothing more can be read
  std::string buffer_;        // of a descriptor
  std::string_view window_;   // the text, or what of the buffer is filled
  std::size_t at_ = 0;        // where the next physical line begins in the window
  std::size_t end_ = 0;       // where it ends
  std::uint64_t passed_ = 0;  // bytes that have left the window
  std::uint64_t number_ = 0;
  std::uint64_t first_number_ = 0;
  std::string joined_;
};

// One logical line: a key, blanks, a value, as postmap(1) reads them.  The key ends at the first
// blank; one that begins with '"' ends at the next '"', and in it a backslash escapes the next
// character.  Blanks around key and value are cut.
struct TextEntry {
  std::string_view key;  // of the line, or of `unquoted`
  std::string_view value;
  std::string unquoted;  // owns a key that had quotes
};

// Splits `line`.  Returns nullptr, or what is wrong with it; `entry` is unspecified then.
[[nodiscard]] const char* parse_text_entry(std::string_view line, TextEntry& entry);

// A to Z become lower case.
[[nodiscard]] std::string fold_key(std::string_view key);

}  // namespace qv::maps

#endif  // QV_MAPS_TYPES_TEXT_TABLE_H_
