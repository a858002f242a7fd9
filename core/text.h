// SPDX-License-Identifier: 0BSD
// core/text.h - ASCII text without a locale: case, numbers, and bytes made safe to print.
//
// Links without the C++ runtime: no function here throws, allocates or calls a checked
// string_view member.  Tests: tests/core/text_test.cc
#ifndef QV_CORE_TEXT_H_
#define QV_CORE_TEXT_H_

#include <string.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qv {

constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr char ascii_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
constexpr bool is_letter_or_digit(char c) { return is_letter(c) || is_digit(c); }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
// 0x20 to 0x7e.
constexpr bool is_printable(char c) { return c >= ' ' && c <= '~'; }

// Equal but for the case of A to Z.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

// The first n bytes, and all but the first n; n past the end gives all and nothing.
[[nodiscard]] constexpr std::string_view first_bytes(std::string_view s, std::size_t n) {
  return {s.data(), n < s.size() ? n : s.size()};
}
[[nodiscard]] constexpr std::string_view after_bytes(std::string_view s, std::size_t n) {
  return n < s.size() ? std::string_view{s.data() + n, s.size() - n} : std::string_view{};
}

// Position of the first, the last `c`; s.size() where there is none.
[[nodiscard]] std::size_t find_byte(std::string_view s, char c);
[[nodiscard]] std::size_t find_last_byte(std::string_view s, char c);

// Inline, so that a comparison with a literal costs no call.
[[nodiscard]] inline bool starts_with(std::string_view s, std::string_view prefix) {
  if (s.size() < prefix.size()) return false;
  return prefix.empty() || memcmp(s.data(), prefix.data(), prefix.size()) == 0;
}
[[nodiscard]] inline bool ends_with(std::string_view s, std::string_view suffix) {
  if (s.size() < suffix.size()) return false;
  return suffix.empty() ||
         memcmp(s.data() + (s.size() - suffix.size()), suffix.data(), suffix.size()) == 0;
}

// Without blanks (space, tab) at either end.
[[nodiscard]] std::string_view trim_blanks(std::string_view s);

// Decimal digits only, all of `s`, at most `max`: true and `out` set.  False, `out` untouched, on
// anything else: empty, sign, blank, letter, too large.
[[nodiscard]] bool parse_decimal(std::string_view s, std::uint64_t max, std::uint64_t& out);

// Copies `s` to `out` as printable ASCII without blanks: bytes other than 0x21 to 0x7e, and '\\'
// and
// '"', become \xHH.  Stops before a byte that would not fit.  Returns the number of characters
// written, at most `size`.
std::size_t escape(std::string_view s, char* out, std::size_t size);

// Returns what is before the first `separator` of `rest`, or all of it; `rest` then begins behind
// the separator.
[[nodiscard]] inline std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t at = find_byte(rest, separator);
  const std::string_view head = first_bytes(rest, at);
  rest = after_bytes(rest, at + 1);
  return head;
}

}  // namespace qv

#endif  // QV_CORE_TEXT_H_
