// SPDX-License-Identifier: 0BSD
// control/duration.h - a length of time as Postfix's users write it: "31d", "3h", "90".
//
// Pure.  Tests: tests/control/duration_test.cc
#ifndef QV_CONTROL_DURATION_H_
#define QV_CONTROL_DURATION_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace qv {

inline constexpr std::int64_t kMaxDuration_s = 100LL * 366 * 86400;

// Seconds of decimal digits and one letter: s, m, h, d, w (any case).  Without a letter the number
// counts `unit` (one of those letters).  nullopt on anything else, and past kMaxDuration_s.
[[nodiscard]] std::optional<std::int64_t> parse_duration(std::string_view text, char unit);

}  // namespace qv

#endif  // QV_CONTROL_DURATION_H_
