// SPDX-License-Identifier: 0BSD
#include "core/json.h"

#include <string.h>

#include <cstdint>

#include "core/text.h"

namespace qv {

namespace {

// Length of the well-formed multi-byte UTF-8 character at the start of `s`, or 0 where there is
// none (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing over U+10FFFF).
std::size_t utf8_length(std::string_view s) {
  const auto byte = [s](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned first = byte(0);
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || s.size() < length) return 0;
  const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return length;
}

// Writes `unit` as \uXXXX.
std::size_t escape_unit(std::uint32_t unit, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  out[0] = '\\';
  out[1] = 'u';
  for (int i = 0; i < 4; ++i) out[2 + i] = kHex[(unit >> (12 - 4 * i)) & 15];
  return 6;
}

// Writes one byte as JSON has it; returns the length, at most kMaxJsonEscape.
std::size_t escape_byte(char c, char* out) {
  if (c != '"' && c != '\\' && !is_printable(c)) {
    return escape_unit(static_cast<unsigned char>(c), out);
  }
  std::size_t length = 0;
  if (c == '"' || c == '\\') out[length++] = '\\';
  out[length++] = c;
  return length;
}

// Writes a well-formed multi-byte character in ASCII: one unit of UTF-16, or two.
std::size_t escape_utf8(std::string_view s, char* out) {
  std::uint32_t code = static_cast<unsigned char>(s[0]) & (0xffU >> (s.size() + 1));
  for (const char c : after_bytes(s, 1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  if (code < 0x10000) return escape_unit(code, out);
  code -= 0x10000;
  escape_unit(0xd800 | code >> 10, out);
  return 6 + escape_unit(0xdc00 | (code & 0x3ff), out + 6);
}

// Bytes that may stand in a bare value.
struct BareBytes {
  bool bare[256] = {};
  constexpr BareBytes() {
    for (unsigned c = ' ' + 1; c <= '~'; ++c) bare[c] = c != '\\' && c != '"' && c != '=';
  }
};
constexpr BareBytes kBare;

bool is_bare(std::string_view s) {
  for (const char c : s) {
    if (!kBare.bare[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

enum class Beyond : std::uint8_t { as_it_is, ascii };

// As escape_json(); `s` is left with what did not fit.
std::size_t escape_all(std::string_view& s, char* out, std::size_t size, Beyond beyond) {
  std::size_t used = 0;
  while (!s.empty()) {
    char one[2 * kMaxJsonEscape];
    std::size_t taken = 1;
    std::size_t length = 0;
    if (const std::size_t utf8 = utf8_length(s); utf8 == 0) {
      length = escape_byte(s.front(), one);
    } else if (taken = utf8; beyond == Beyond::ascii) {
      length = escape_utf8(first_bytes(s, utf8), one);
    } else {
      memcpy(one, s.data(), length = utf8);
    }
    if (size - used < length) break;
    memcpy(out + used, one, length);
    used += length;
    s.remove_prefix(taken);
  }
  return used;
}

}  // namespace

std::size_t escape_json(std::string_view s, char* out, std::size_t size) {
  return escape_all(s, out, size, Beyond::as_it_is);
}

std::size_t escape_logfmt(std::string_view s, char* out, std::size_t size, bool& whole) {
  if (is_bare(s)) {
    const std::string_view part = first_bytes(s, size);
    whole = part.size() == s.size();
    if (!part.empty()) memcpy(out, part.data(), part.size());
    return part.size();
  }
  whole = false;
  if (size < 2) return 0;
  out[0] = '"';
  const std::size_t used = 1 + escape_all(s, out + 1, size - 2, Beyond::ascii);
  whole = s.empty();
  out[used] = '"';
  return used + 1;
}

}  // namespace qv
