// SPDX-License-Identifier: 0BSD
// maps/types/text_entry.h - one logical line of a text table: a key, blanks, a value.
//
// As postmap(1) reads them: the key ends at the first blank; a key that begins with '"' ends at the
// next '"', and in it a backslash takes the next character as it is.  Blanks around key and value
// are cut.
// Pure.  Tests: tests/maps/text_table_test.cc, fuzz_text_table.cc
#ifndef QV_MAPS_TYPES_TEXT_ENTRY_H_
#define QV_MAPS_TYPES_TEXT_ENTRY_H_

#include <string>
#include <string_view>

namespace qv {

struct TextEntry {
  std::string_view key;  // of the line, or of `unquoted`
  std::string_view value;
  std::string unquoted;  // keeps a key that had quotes
};

// Splits `line`.  Returns nullptr, or what is wrong with it; `entry` is unspecified then.
[[nodiscard]] const char* parse_text_entry(std::string_view line, TextEntry& entry);

// The entry as a line that parse_text_entry() reads back, with its newline.  False, nothing
// appended, where no such line exists: a newline or a NUL in it, an empty key or value, blanks
// around the value.
[[nodiscard]] bool append_text_entry(std::string& out, std::string_view key,
                                     std::string_view value);

}  // namespace qv

#endif  // QV_MAPS_TYPES_TEXT_ENTRY_H_
