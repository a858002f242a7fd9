// SPDX-License-Identifier: 0BSD
// lmtp/service.h - what all sessions of the LMTP service share, and what the service counts.
#ifndef QV_LMTP_SERVICE_H_
#define QV_LMTP_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "deliver/settings.h"
#include "lmtp/deliveries.h"
#include "process/counters.h"
#include "process/log.h"

namespace qv::lmtp {

struct Counters {
  std::uint64_t accepted = 0;
  std::uint64_t recipients = 0;
  std::uint64_t refused_recipients = 0;
  std::uint64_t messages = 0;
  std::uint64_t done = 0;
  std::uint64_t retry = 0;
  std::uint64_t refuse = 0;
  std::uint64_t bytes = 0;

  // How the delivery to one recipient ended.
  void count(const Outcome& outcome);
};

// All of them, in a fixed order.
inline constexpr CounterName<Counters> kCounterNames[] = {
    {"accepted", &Counters::accepted, "clients"},
    {"recipients", &Counters::recipients, "recipients that clients named"},
    {"refused_recipients", &Counters::refused_recipients, "of these: not taken at RCPT"},
    {"messages", &Counters::messages, "messages that came whole"},
    {"done", &Counters::done, "recipients delivered to"},
    {"retry", &Counters::retry, "recipients not delivered to, later it may work"},
    {"refuse", &Counters::refuse, "recipients not delivered to, it will not work"},
    {"bytes", &Counters::bytes, "bytes written to mailboxes"},
};

struct Service {
  const DeliverSettings& settings;  // as they are now
  Deliveries* deliveries;           // never null while there are sessions
  std::string host;                 // of greetings
  std::function<void(LogLine&)> log;
  std::function<void()> ended;  // a session has, or a dispatch
  Counters counters{};
  std::size_t sessions = 0;
  std::size_t dispatches = 0;
  bool is_stopping = false;  // no session begins another message
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_SERVICE_H_
