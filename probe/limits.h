// SPDX-License-Identifier: 0BSD
// probe/limits.h - every limit of the callouts, and the state needed to enforce them.
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

namespace qv::probe {

inline constexpr std::int64_t kSecond_us = 1000000;

struct ProbeLimits {
  std::size_t pending = 1000;            // probes under way or waiting, in all
  std::size_t connections_per_host = 4;  // at once
  unsigned recipients_per_connection = 10;
  std::uint64_t rate = 120;  // probes per minute and entry of control/verifyprobe; 0: no limit
  std::int64_t connect_us = 10 * kSecond_us;
  std::int64_t step_us = 30 * kSecond_us;          // from a command to its reply
  std::int64_t whole_us = 90 * kSecond_us;         // from the question to the outcome
  std::int64_t idle_us = 5 * kSecond_us;           // how long an idle connection stays open
  std::int64_t backoff_us = 10 * kSecond_us;       // after a host's first failure; doubles
  std::int64_t max_backoff_us = 600 * kSecond_us;  // up to this
  std::int64_t sender_refused_us =
      3 * 3600 * kSecond_us;                       // no questions after it refuses our sender
  std::int64_t tls_broken_us = 3600 * kSecond_us;  // no TLS after a failed handshake
  std::size_t addresses_per_host = 4;              // of one name
  std::size_t exchangers = 5;                      // of one domain
  std::size_t remembered_hosts = 10000;
};

// Probes per minute for each name: a token bucket per name.  A bucket holds up to one minute's
// worth.  Full buckets are dropped, which bounds the table by the probes of the last minute.
class RateLimit {
 public:
  enum class Pass : std::uint8_t { allowed, refused };

  // 0: everything is allowed.
  explicit RateLimit(std::uint64_t per_minute) : per_minute_(per_minute) {}

  // Counts one for `name` at this moment of a clock that never goes back.
  [[nodiscard]] Pass take(std::string_view name, std::int64_t now_us);
  [[nodiscard]] std::size_t size() const { return buckets_.size(); }

 private:
  std::uint64_t per_minute_;
  std::int64_t swept_us_ = 0;
  // The moment at which each is full again; a probe moves it on by a minute's share.
  std::map<std::string, std::int64_t, std::less<>> buckets_;
};

// What probes have shown about a next hop itself; `key` names host and port.
//
//   failed          no connection, no valid greeting, or a missing reply.  No questions for
//                   backoff_us, doubled with each further failure up to max_backoff_us.  The
//                   actual time is three to five quarters of that, so that the questions of many
//                   hosts do not come back at one moment.
//   sender refused  it refuses our MAIL FROM: no questions for sender_refused_us
//   TLS broken      the handshake failed: no TLS for tls_broken_us
class HostMemory {
 public:
  // `random` returns 64 random bits.  REQUIRES: `limits` outlives this object.
  HostMemory(const ProbeLimits& limits, std::function<std::uint64_t()> random)
      : limits_(limits), random_(std::move(random)) {}

  enum class State : std::uint8_t { fine, backing_off, sender_refused };
  [[nodiscard]] State state(std::string_view key, std::int64_t now_us) const;
  [[nodiscard]] bool is_tls_broken(std::string_view key, std::int64_t now_us) const {
    return now_us < find(key).tls_broken_until_us;
  }
  // What the host said when it last refused our sender.
  [[nodiscard]] std::string_view sender_refusal(std::string_view key) const {
    return find(key).refusal;
  }

  void record_answer(std::string_view key);
  // Counts failures during the back-off as one: they have one cause.
  void record_failure(std::string_view key, std::int64_t now_us);
  void record_sender_refused(std::string_view key, std::int64_t now_us, std::string_view text);
  void record_tls_broken(std::string_view key, std::int64_t now_us) {
    find_or_add(key, now_us).tls_broken_until_us = now_us + limits_.tls_broken_us;
  }

  // For an operator who has repaired something.
  void clear() { hosts_.clear(); }
  [[nodiscard]] std::size_t size() const { return hosts_.size(); }

 private:
  struct Host {
    unsigned failures = 0;
    std::int64_t back_off_until_us = 0;
    std::int64_t sender_refused_until_us = 0;
    std::int64_t tls_broken_until_us = 0;
    std::string refusal;
  };
  // One without failures if nothing is known.
  [[nodiscard]] const Host& find(std::string_view key) const;
  Host& find_or_add(std::string_view key, std::int64_t now_us);

  const ProbeLimits& limits_;
  std::function<std::uint64_t()> random_;
  std::map<std::string, Host, std::less<>> hosts_;
};

}  // namespace qv::probe

#endif  // QV_PROBE_LIMITS_H_
