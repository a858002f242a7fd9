// SPDX-License-Identifier: 0BSD
// lmtp/service.h - the state that all sessions of the LMTP service share, its counters, and the
// calls that look recipients up and write mailboxes.
#ifndef QV_LMTP_SERVICE_H_
#define QV_LMTP_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "deliver/job.h"
#include "deliver/lookup.h"
#include "deliver/outcome.h"
#include "deliver/settings.h"
#include "process/counters.h"
#include "process/log.h"

namespace qv::lmtp {

struct Counters : process::CounterList {
  process::Counter accepted{*this, "accepted", "clients"};
  process::Counter recipients{*this, "recipients", "recipients in RCPT commands"};
  process::Counter refused_recipients{*this, "refused_recipients", "of these: refused at RCPT"};
  process::Counter messages{*this, "messages", "messages received completely"};
  process::CounterArray<deliver::Delivery, 3> deliveries{
      {{*this, "done", "deliveries completed"},
       {*this, "retry", "deliveries that a later attempt may complete"},
       {*this, "refuse", "deliveries refused"}}};
  process::Counter bytes{*this, "bytes", "bytes written to mailboxes"};
};

// Everything about a delivery that may block, as asynchronous calls.  The implementation decides
// which processes look recipients up and write mailboxes, and how many at a time.
// Never blocks.  No callback is called from within a call.  Tests: tests/lmtp/session_test.cc has a
// fake.
class Deliveries {
 public:
  using Ticket = std::uint64_t;
  using Found = std::function<void(const deliver::Outcome&, deliver::Mailbox)>;
  using Ended = std::function<void(deliver::Outcome)>;

  virtual ~Deliveries() = default;

  // Where the mail for a recipient goes.  done: the mailbox is set.  refuse: there is no such
  // recipient.  retry: undecided.
  [[nodiscard]] virtual Ticket find(const std::string& recipient, Found found) = 0;

  // Whether there is room in a mailbox for a message that has not arrived (deliver/job.h,
  // find_room()).  0, and no callback, where no process is free to look.
  [[nodiscard]] virtual Ticket find_room(deliver::Job job, Ended ended) = 0;

  // Delivers.  `ended` is called in any case.  REQUIRES: `message` stays open until then.
  virtual void deliver(deliver::Job job, int message, Ended ended) = 0;

  // The callback of this ticket will not be called.
  virtual void cancel(Ticket ticket) = 0;
};

struct Service {
  const deliver::DeliverSettings& settings;  // the current ones
  Deliveries* deliveries;                    // never null while there are sessions
  std::string host;                          // for greetings
  std::function<void(process::LogLine)> log;
  std::function<void()> ended;  // called at the end of each session and dispatch
  Counters counters{};
  std::size_t sessions = 0;
  std::size_t dispatches = 0;
  bool is_stopping = false;  // no session begins another message
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_SERVICE_H_
