// SPDX-License-Identifier: 0BSD
#include "probe/rate.h"

#include <algorithm>

namespace qv {

namespace {
constexpr std::int64_t kMinute_us = 60000000;
}

RateLimit::Pass RateLimit::take(std::string_view name, std::int64_t now_us) {
  if (per_minute_ == 0) return Pass::allowed;
  if (now_us - swept_us_ > kMinute_us) forget_full(now_us);
  const std::int64_t share_us = std::max<std::int64_t>(
      1, kMinute_us / static_cast<std::int64_t>(std::min<std::uint64_t>(per_minute_, kMinute_us)));
  auto bucket = buckets_.find(name);
  if (bucket == buckets_.end()) bucket = buckets_.emplace(name, Bucket{}).first;
  const std::int64_t full_at_us = std::max(bucket->second.full_at_us, now_us) + share_us;
  if (full_at_us - now_us > kMinute_us) return Pass::refused;
  bucket->second.full_at_us = full_at_us;
  return Pass::allowed;
}

void RateLimit::forget_full(std::int64_t now_us) {
  swept_us_ = now_us;
  std::erase_if(buckets_, [&](const auto& entry) { return entry.second.full_at_us <= now_us; });
}

}  // namespace qv
