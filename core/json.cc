// SPDX-License-Identifier: 0BSD
#include "core/json.h"

#include <string.h>

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

// Writes one byte as JSON has it; returns the length, at most kMaxJsonEscape.
std::size_t escape_byte(char c, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  if (c == '"' || c == '\\') {
    out[0] = '\\';
    out[1] = c;
    return 2;
  }
  if (is_printable(c)) {
    out[0] = c;
    return 1;
  }
  const auto byte = static_cast<unsigned char>(c);
  constexpr std::string_view kStart = "\\u00";
  memcpy(out, kStart.data(), kStart.size());
  out[4] = kHex[byte >> 4];
  out[5] = kHex[byte & 15];
  return 6;
}

}  // namespace

std::size_t escape_json(std::string_view s, char* out, std::size_t size) {
  std::size_t used = 0;
  while (!s.empty()) {
    char one[kMaxJsonEscape];
    std::size_t taken = 1;
    std::size_t length = 0;
    if (const std::size_t utf8 = utf8_length(s); utf8 != 0) {
      taken = length = utf8;
      memcpy(one, s.data(), utf8);
    } else {
      length = escape_byte(s.front(), one);
    }
    if (size - used < length) break;
    memcpy(out + used, one, length);
    used += length;
    s.remove_prefix(taken);
  }
  return used;
}

}  // namespace qv
