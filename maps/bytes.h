// SPDX-License-Identifier: 0BSD
// maps/bytes.h - searches of keys, eight bytes at a time.  Pure.  Tests: tests/maps/bytes_test.cc
#ifndef QV_MAPS_BYTES_H_
#define QV_MAPS_BYTES_H_

#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/text.h"

namespace qv::maps {

namespace bytes {
inline constexpr std::uint64_t kOnes = 0x0101010101010101u;
inline constexpr std::uint64_t kHigh = 0x8080808080808080u;

inline std::uint64_t load(const char* at) {
  std::uint64_t word = 0;
  memcpy(&word, at, sizeof word);
  return word;
}
}  // namespace bytes

// True if one of A to Z is in `s`.
[[nodiscard]] inline bool has_upper(std::string_view s) {
  using namespace bytes;
  std::size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    const std::uint64_t word = bytes::load(s.data() + i);
    const std::uint64_t low = word & ~bytes::kHigh;
    // The high bit of each byte: 'A' or more, and not more than 'Z', and ASCII.
    const std::uint64_t from_a = low + bytes::kOnes * (0x80 - 'A');
    const std::uint64_t past_z = low + bytes::kOnes * (0x80 - 'Z' - 1);
    if ((from_a & ~past_z & ~word & bytes::kHigh) != 0) return true;
  }
  for (; i < s.size(); ++i) {
    if (s[i] >= 'A' && s[i] <= 'Z') return true;
  }
  return false;
}

// Position of the first byte from `from` on that is a blank or a control character (0 to 0x20);
// s.size() where there is none.
[[nodiscard]] inline std::size_t find_not_graphic(std::string_view s, std::size_t from) {
  using namespace bytes;
  std::size_t i = from;
  for (; i + 8 <= s.size(); i += 8) {
    const std::uint64_t word = bytes::load(s.data() + i);
    // A borrow can only mark bytes behind one that is rightly marked: stop for both.
    if (((word - bytes::kOnes * 0x21) & ~word & bytes::kHigh) != 0) break;
  }
  for (; i < s.size(); ++i) {
    if (static_cast<unsigned char>(s[i]) <= ' ') break;
  }
  return i;
}

}  // namespace qv::maps

#endif  // QV_MAPS_BYTES_H_
