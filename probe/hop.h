// SPDX-License-Identifier: 0BSD
// probe/hop.h - one next hop at one address: its connections, and the questions that wait for them.
//
// A question goes to an idle connection, else to a new one while there are fewer than
// connections_per_host, else it waits.  If a connection fails after it has answered other
// questions, the failure says nothing about the open one: that is asked again, once, on a new
// connection.  After a failed TLS handshake it is asked again in the clear, unless TLS is a must.
// HostMemory records what is learnt about the host; once the host has failed, the waiting questions
// fail too.
//
//   Invariant: a question is in exactly one place: waiting_, or one session.
//
// Threads: none.  Tests: tests/probe/driver_test.cc
#ifndef QV_PROBE_HOP_H_
#define QV_PROBE_HOP_H_

#include <deque>
#include <functional>
#include <list>
#include <string>

#include "event/connect.h"
#include "event/loop.h"
#include "probe/callout.h"
#include "probe/limits.h"

namespace qv {

class Hop {
 public:
  using Answered = std::function<void(const ProbeOutcome&)>;
  using Ticket = std::uint64_t;

  // `name`: the host as the operator or the DNS names it.  REQUIRES: everything outlives this.
  Hop(Loop& loop, Connector& connector, HostMemory& memory, const ProbeLimits& limits,
      StreamAddress address, std::string name, CalloutOptions options);
  ~Hop();
  Hop(const Hop&) = delete;
  Hop& operator=(const Hop&) = delete;

  // Calls `answered` once, from the loop, unless cancelled; it must not destroy the hop.
  Ticket ask(const std::string& address, Answered answered);
  // Drops the question.  A connection that waits for its answer is closed, as a failure.
  void cancel(Ticket ticket);

  // True: there are neither connections nor questions.
  [[nodiscard]] bool is_quiet() const;

 private:
  class Session;
  struct Question {
    Ticket ticket = 0;
    std::string address;
    Answered answered;
    bool retried = false;
  };

  void on_outcome(Session& session, const ProbeOutcome& outcome);
  void remove(const Session& session);

  void schedule();
  void hand_out();
  // Null: no connection is idle, and no other is allowed.
  [[nodiscard]] Session* idle_or_new_session();
  void record(const ProbeOutcome& outcome);
  [[nodiscard]] bool is_worth_retrying(const Session& session, const ProbeOutcome& outcome) const;
  void refuse_waiting(HostMemory::State state);

  Loop& loop_;
  Connector& connector_;
  HostMemory& memory_;
  const ProbeLimits& limits_;
  StreamAddress address_;
  std::string name_;
  CalloutOptions options_;
  Ticket next_ticket_ = 1;
  std::deque<Question> waiting_;
  std::list<Session> sessions_;
  Loop::Owned soon_;
};

}  // namespace qv

#endif  // QV_PROBE_HOP_H_
