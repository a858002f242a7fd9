// SPDX-License-Identifier: 0BSD
// core/clock.h - the monotonic clock, in microseconds.
//
// std::chrono's clocks need the C++ runtime; this does not.
#ifndef QV_CORE_CLOCK_H_
#define QV_CORE_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace qv {

// Microseconds since some fixed moment; never goes back.
[[nodiscard]] inline std::int64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
}

}  // namespace qv

#endif  // QV_CORE_CLOCK_H_
