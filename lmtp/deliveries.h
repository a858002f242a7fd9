// SPDX-License-Identifier: 0BSD
// lmtp/deliveries.h - everything about a delivery that may block, as questions with later answers.
//
// A session and a dispatch know of deliveries no more than this: which process looks a recipient
// up, who writes a mailbox, and how many at a time, is the business of the class that implements
// it.
//
// Threads: none; one Loop.  Blocking: never.  No callback is called from within a call.
// Tests: tests/lmtp/session_test.cc has one of its own
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

  // Is there room in a mailbox for a message that is not here yet (deliver/job.h, find_room())?
  // 0, and no callback, where nobody is free to look.
  [[nodiscard]] virtual Ticket find_room(Job job, Ended ended) = 0;

  // Delivers.  `ended` is called in any case.  REQUIRES: `message` stays open until then.
  virtual void deliver(Job job, int message, Ended ended) = 0;

  // The callback of this ticket is not called any more.
  virtual void forget(Ticket ticket) = 0;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_DELIVERIES_H_
