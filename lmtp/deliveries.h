// SPDX-License-Identifier: 0BSD
// lmtp/deliveries.h - everything about a delivery that may block, as asynchronous calls.
//
// Sessions and dispatches use this interface alone.  The implementation decides which processes
// look recipients up and write mailboxes, and how many at a time.
//
// Threads: none; one Loop.  Blocking: never.  No callback is called from within a call.
// Tests: tests/lmtp/session_test.cc has a fake
#ifndef QV_LMTP_DELIVERIES_H_
#define QV_LMTP_DELIVERIES_H_

#include <cstdint>
#include <functional>
#include <string>

#include "deliver/job.h"
#include "deliver/lookup.h"
#include "deliver/outcome.h"

namespace qv::lmtp {

class Deliveries {
 public:
  using Ticket = std::uint64_t;
  using Found = std::function<void(const Outcome&, Mailbox)>;
  using Ended = std::function<void(Outcome)>;

  virtual ~Deliveries() = default;

  // Where the mail for a recipient goes.  done: the mailbox is set.  refuse: there is no such
  // recipient.  retry: undecided.
  [[nodiscard]] virtual Ticket find(const std::string& recipient, Found found) = 0;

  // Whether there is room in a mailbox for a message that has not arrived (deliver/job.h,
  // find_room()).  0, and no callback, where no process is free to look.
  [[nodiscard]] virtual Ticket find_room(Job job, Ended ended) = 0;

  // Delivers.  `ended` is called in any case.  REQUIRES: `message` stays open until then.
  virtual void deliver(Job job, int message, Ended ended) = 0;

  // The callback of this ticket will not be called.
  virtual void cancel(Ticket ticket) = 0;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_DELIVERIES_H_
