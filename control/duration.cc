// SPDX-License-Identifier: 0BSD
#include "control/duration.h"

#include "core/text.h"

namespace qv {

namespace {

// 0 for a letter that is no unit.
std::int64_t seconds_of(char unit) {
  switch (ascii_lower(unit)) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    case 'w':
      return 604800;
    default:
      return 0;
  }
}

}  // namespace

std::optional<std::int64_t> parse_duration(std::string_view text, char unit) {
  if (!text.empty() && !is_digit(text.back())) {
    unit = text.back();
    text.remove_suffix(1);
  }
  const std::int64_t each = seconds_of(unit);
  std::uint64_t number = 0;
  if (each == 0) return std::nullopt;
  if (!parse_decimal(text, static_cast<std::uint64_t>(kMaxDuration_s / each), number)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(number) * each;
}

}  // namespace qv
