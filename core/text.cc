// SPDX-License-Identifier: 0BSD
#include "core/text.h"

#include <algorithm>

namespace qv {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

std::size_t find_byte(std::string_view s, char c) {
  if (s.empty()) return 0;
  const void* hit = memchr(s.data(), c, s.size());
  return hit == nullptr ? s.size()
                        : static_cast<std::size_t>(static_cast<const char*>(hit) - s.data());
}

std::size_t find_last_byte(std::string_view s, char c) {
  const std::size_t at = s.rfind(c);
  return at == std::string_view::npos ? s.size() : at;
}

std::string_view trim_blanks(std::string_view s) {
  while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
  return s;
}

bool parse_decimal(std::string_view s, std::uint64_t max, std::uint64_t& out) {
  if (s.empty()) return false;
  // One division for the number, not one per digit.
  const std::uint64_t tenth = max / 10;
  std::uint64_t value = 0;
  for (const char c : s) {
    if (!is_digit(c) || value > tenth) return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    value *= 10;
    if (digit > max - value) return false;
    value += digit;
  }
  out = value;
  return true;
}

std::size_t escape(std::string_view s, char* out, std::size_t size) {
  constexpr char kHex[] = "0123456789abcdef";
  std::size_t used = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto byte = static_cast<unsigned char>(s[i]);
    if (is_printable(s[i]) && s[i] != ' ' && s[i] != '\\' && s[i] != '"') {
      if (used == size) break;
      out[used++] = s[i];
      continue;
    }
    if (size - used < 4) break;
    out[used++] = '\\';
    out[used++] = 'x';
    out[used++] = kHex[byte >> 4];
    out[used++] = kHex[byte & 15];
  }
  return used;
}

}  // namespace qv
