// SPDX-License-Identifier: 0BSD
#include "probe/limits.h"

#include <algorithm>

namespace qv::probe {

RateLimit::Pass RateLimit::take(std::string_view name, std::int64_t now_us) {
  constexpr std::int64_t kMinute_us = 60 * kSecond_us;
  if (per_minute_ == 0) return Pass::allowed;
  if (now_us - swept_us_ > kMinute_us) {
    swept_us_ = now_us;
    std::erase_if(buckets_, [&](const auto& entry) { return entry.second <= now_us; });
  }
  const std::int64_t share_us =
      kMinute_us / static_cast<std::int64_t>(std::min<std::uint64_t>(per_minute_, kMinute_us));
  auto bucket = buckets_.find(name);
  if (bucket == buckets_.end()) bucket = buckets_.emplace(name, 0).first;
  const std::int64_t full_at_us = std::max(bucket->second, now_us) + share_us;
  if (full_at_us - now_us > kMinute_us) return Pass::refused;
  bucket->second = full_at_us;
  return Pass::allowed;
}

const HostMemory::Host& HostMemory::find(std::string_view key) const {
  static const Host kUnknown;
  const auto host = hosts_.find(key);
  return host == hosts_.end() ? kUnknown : host->second;
}

HostMemory::State HostMemory::state(std::string_view key, std::int64_t now_us) const {
  const Host& host = find(key);
  if (now_us < host.back_off_until_us) return State::backing_off;
  return now_us < host.sender_refused_until_us ? State::sender_refused : State::fine;
}

HostMemory::Host& HostMemory::find_or_add(std::string_view key, std::int64_t now_us) {
  const auto known = hosts_.find(key);
  if (known != hosts_.end()) return known->second;
  if (hosts_.size() >= limits_.remembered_hosts) {
    std::erase_if(hosts_, [&](const auto& entry) {
      const Host& host = entry.second;
      return std::max({host.back_off_until_us, host.sender_refused_until_us,
                       host.tls_broken_until_us}) <= now_us;
    });
  }
  // Losing what is still of use is better than growing.
  if (hosts_.size() >= limits_.remembered_hosts) hosts_.clear();
  return hosts_.emplace(key, Host{}).first->second;
}

void HostMemory::record_answer(std::string_view key) {
  const auto host = hosts_.find(key);
  if (host == hosts_.end()) return;
  host->second.failures = 0;
  host->second.back_off_until_us = 0;
}

void HostMemory::record_failure(std::string_view key, std::int64_t now_us) {
  constexpr unsigned kMostDoublings = 30;
  Host& host = find_or_add(key, now_us);
  if (now_us < host.back_off_until_us) return;
  const unsigned doublings = std::min(host.failures, kMostDoublings);
  ++host.failures;
  const std::int64_t full_us =
      std::min(limits_.max_backoff_us, limits_.backoff_us * (std::int64_t{1} << doublings));
  const auto thousandths = static_cast<std::int64_t>(750 + random_() % 501);
  host.back_off_until_us = now_us + full_us / 1000 * thousandths;
}

void HostMemory::record_sender_refused(std::string_view key, std::int64_t now_us,
                                       std::string_view text) {
  Host& host = find_or_add(key, now_us);
  host.sender_refused_until_us = now_us + limits_.sender_refused_us;
  host.refusal = text;
}

}  // namespace qv::probe
