// SPDX-License-Identifier: 0BSD
// probe/host_memory.h - what has been learnt about a next hop that is not about a recipient.
//
//   failed          no connection, no sensible greeting, a reply that never came: it is left alone
//                   for backoff_us, doubled with each further failure up to max_backoff_us, each
//                   time between three and five quarters of that, so that many hosts' questions do
//                   not come back at one moment
//   sender refused  it does not take our MAIL FROM: asking about recipients is no use
//   TLS broken      the handshake failed: it is spoken to in the clear
//
// Pure; `key` names host and port.  Tests: tests/probe/host_memory_test.cc
#ifndef QV_PROBE_HOST_MEMORY_H_
#define QV_PROBE_HOST_MEMORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "probe/limits.h"

namespace qv {

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

#endif  // QV_PROBE_HOST_MEMORY_H_
