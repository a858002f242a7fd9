// SPDX-License-Identifier: 0BSD
// probe/limits.h - how politely next hops are asked: every limit of the callouts, declared once,
// and what is remembered to keep to them.
//
// Pure.  Tests: tests/probe/rate_test.cc, tests/probe/host_memory_test.cc
#ifndef QV_PROBE_LIMITS_H_
#define QV_PROBE_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

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

// How many probes per minute each name may cause: a token bucket per name.  A bucket holds up to
// one minute's worth; buckets that are full again are forgotten, so the table is bounded by what
// was asked within the last minute.
class RateLimit {
 public:
  enum class Pass : std::uint8_t { allowed, refused };

  // 0: everything is allowed.
  explicit RateLimit(std::uint64_t per_minute) : per_minute_(per_minute) {}

  // Counts one for `name` at this moment of a clock that never goes back.
  [[nodiscard]] Pass take(std::string_view name, std::int64_t now_us);
  [[nodiscard]] std::size_t size() const { return buckets_.size(); }

 private:
  void forget_full(std::int64_t now_us);

  std::uint64_t per_minute_;
  std::int64_t swept_us_ = 0;
  // When each will be full; a probe moves this on by a minute's share.
  std::map<std::string, std::int64_t, std::less<>> buckets_;
};

// What has been learnt about a next hop that is not about a recipient; `key` names host and port.
//
//   failed          no connection, no sensible greeting, a reply that never came: it is left alone
//                   for backoff_us, doubled with each further failure up to max_backoff_us, each
//                   time between three and five quarters of that, so that many hosts' questions do
//                   not come back at one moment
//   sender refused  it does not take our MAIL FROM: asking about recipients is no use
//   TLS broken      the handshake failed: it is spoken to in the clear
class HostMemory {
 public:
  // `random` gives 64 random bits.  REQUIRES: `limits` outlives this object.
  HostMemory(const ProbeLimits& limits, std::function<std::uint64_t()> random)
      : limits_(limits), random_(std::move(random)) {}

  enum class State : std::uint8_t { fine, backing_off, sender_refused };
  [[nodiscard]] State state(std::string_view key, std::int64_t now_us) const;
  enum class Tls : std::uint8_t { fine, broken };
  [[nodiscard]] Tls tls(std::string_view key, std::int64_t now_us) const;
  // What the host said when it refused our sender.
  [[nodiscard]] std::string_view sender_refusal(std::string_view key) const;

  void note_answer(std::string_view key);
  // Several failures at once count as one: those of one moment have one cause.
  void note_failure(std::string_view key, std::int64_t now_us);
  void note_sender_refused(std::string_view key, std::int64_t now_us, std::string_view text);
  void note_tls_broken(std::string_view key, std::int64_t now_us);

  // Forgets everything, for an operator who has mended something.
  void clear() { hosts_.clear(); }
  [[nodiscard]] std::size_t size() const { return hosts_.size(); }

 private:
  struct Host {
    unsigned failures = 0;
    std::int64_t leave_until_us = 0;
    std::int64_t sender_refused_until_us = 0;
    std::int64_t tls_broken_until_us = 0;
    std::string refusal;
  };
  Host& get(std::string_view key, std::int64_t now_us);

  const ProbeLimits& limits_;
  std::function<std::uint64_t()> random_;
  std::map<std::string, Host, std::less<>> hosts_;
};

}  // namespace qv

#endif  // QV_PROBE_LIMITS_H_
