// SPDX-License-Identifier: 0BSD
// lmtp/service.h - the state that all sessions of the LMTP service share, and its counters.
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
  Counter recipients{*this, "recipients", "recipients in RCPT commands"};
  Counter refused_recipients{*this, "refused_recipients", "of these: refused at RCPT"};
  Counter messages{*this, "messages", "messages received completely"};
  CounterArray<Delivery, 3> deliveries{
      {{*this, "done", "deliveries completed"},
       {*this, "retry", "deliveries that a later attempt may complete"},
       {*this, "refuse", "deliveries refused"}}};
  Counter bytes{*this, "bytes", "bytes written to mailboxes"};
};

struct Service {
  const DeliverSettings& settings;  // the current ones
  Deliveries* deliveries;           // never null while there are sessions
  std::string host;                 // for greetings
  std::function<void(LogLine)> log;
  std::function<void()> ended;  // called at the end of each session and dispatch
  Counters counters{};
  std::size_t sessions = 0;
  std::size_t dispatches = 0;
  bool is_stopping = false;  // no session begins another message
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_SERVICE_H_
