// SPDX-License-Identifier: 0BSD
// probe/limits.h - how politely next hops are asked: every limit of the callouts, declared once.
#ifndef QV_PROBE_LIMITS_H_
#define QV_PROBE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace qv {

inline constexpr std::int64_t kSecond_us = 1000000;

struct ProbeLimits {
  std::size_t pending = 1000;            // probes under way or waiting, in all
  std::size_t connections_per_host = 4;  // at once
  unsigned recipients_per_connection = 10;
  std::uint64_t rate = 120;  // probes per minute and entry of control/verifyprobe; 0: no limit
  std::int64_t connect_us = 10 * kSecond_us;
  std::int64_t step_us = 30 * kSecond_us;     // from a command to its reply
  std::int64_t whole_us = 90 * kSecond_us;    // from the question to the outcome
  std::int64_t idle_us = 5 * kSecond_us;      // a connection with nothing to ask is kept so long
  std::int64_t backoff_us = 10 * kSecond_us;  // after a host's first failure; doubles
  std::int64_t max_backoff_us = 600 * kSecond_us;          // and stays at this
  std::int64_t sender_refused_us = 3 * 3600 * kSecond_us;  // a host that refuses our sender is left
  std::int64_t tls_broken_us = 3600 * kSecond_us;          // TLS is not tried again with a host
  std::size_t addresses_per_host = 4;                      // of one name
  std::size_t exchangers = 5;                              // of one domain
  std::size_t remembered_hosts = 10000;
};

}  // namespace qv

#endif  // QV_PROBE_LIMITS_H_
