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

struct Counters : CounterList {
  Counter accepted{*this, "accepted", "clients"};
  Counter recipients{*this, "recipients", "recipients that clients named"};
  Counter refused_recipients{*this, "refused_recipients", "of these: not taken at RCPT"};
  Counter messages{*this, "messages", "messages that came whole"};
  CounterArray<Delivery, 3> deliveries{
      {{*this, "done", "recipients delivered to"},
       {*this, "retry", "recipients not delivered to, later it may work"},
       {*this, "refuse", "recipients not delivered to, it will not work"}}};
  Counter bytes{*this, "bytes", "bytes written to mailboxes"};
};

struct Service {
  const DeliverSettings& settings;  // as they are now
  Deliveries* deliveries;           // never null while there are sessions
  std::string host;                 // of greetings
  std::function<void(LogLine&&)> log;
  std::function<void()> ended;  // a session has, or a dispatch
  Counters counters{};
  std::size_t sessions = 0;
  std::size_t dispatches = 0;
  bool is_stopping = false;  // no session begins another message
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_SERVICE_H_
