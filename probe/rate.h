// SPDX-License-Identifier: 0BSD
// probe/rate.h - how many probes per minute each name may cause: a token bucket per name.
//
// A bucket holds up to one minute's worth; buckets that are full again are forgotten, so the table
// is bounded by what was asked within the last minute.  Pure.  Tests: tests/probe/rate_test.cc
#ifndef QV_PROBE_RATE_H_
#define QV_PROBE_RATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace qv {

class RateLimit {
 public:
  enum class Pass : std::uint8_t { allowed, refused };

  // 0: everything is allowed.
  explicit RateLimit(std::uint64_t per_minute) : per_minute_(per_minute) {}

  // Counts one for `name` at this moment of a clock that never goes back.
  [[nodiscard]] Pass take(std::string_view name, std::int64_t now_us);
  [[nodiscard]] std::size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    // When it will be full; each probe moves this on by a minute's share.
    std::int64_t full_at_us = 0;
  };
  void forget_full(std::int64_t now_us);

  std::uint64_t per_minute_;
  std::int64_t swept_us_ = 0;
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace qv

#endif  // QV_PROBE_RATE_H_
