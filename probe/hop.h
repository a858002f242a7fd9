// SPDX-License-Identifier: 0BSD
// probe/hop.h - one next hop at one address: its connections, and the questions that wait for them.
//
// A question is asked on a connection that is idle, else on a new one while there are fewer than
// connections_per_host, else it waits.  A connection that had answered before and then fails has
// said nothing about the question that it failed on: that one is asked again, once, on a new one.
// So is one whose TLS handshake failed, in the clear, unless TLS must be.  What is learnt about the
// host goes to the HostMemory; when it has failed those that wait are not kept waiting.
//
//   Invariant: a question is in exactly one place: waiting_, or one session's `question`.
//
// Threads: none.  Tests: tests/probe/driver_test.cc
#ifndef QV_PROBE_HOP_H_
#define QV_PROBE_HOP_H_

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
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

  // `answered` is called from the loop, once, not from within this call, unless cancelled; it must
  // not destroy the hop.
  Ticket ask(const std::string& address, Answered answered);
  // Forgets the question; a connection that is busy with it is closed, and counts as failed.
  void cancel(Ticket ticket);

  // True while it has neither connections nor questions.
  [[nodiscard]] bool quiet() const { return links_.empty() && waiting_.empty(); }
  [[nodiscard]] std::size_t connections() const { return links_.size(); }

 private:
  class Session;
  struct Question {
    Ticket ticket = 0;
    std::string address;
    Answered answered;
    bool retried = false;
  };
  struct Link {
    std::unique_ptr<Session> session;
    std::optional<Question> question;
    bool ended = false;
  };
  using Links = std::list<Link>;

  void on_outcome(Session& session, const ProbeOutcome& outcome);
  void on_session_end(Session& session);

  void schedule();
  void hand_out();
  [[nodiscard]] Link* idle_link();
  [[nodiscard]] Link* new_link();
  [[nodiscard]] Links::iterator link_of(const Session& session);
  void remember(const ProbeOutcome& outcome);
  [[nodiscard]] bool worth_retrying(const Link& link, const ProbeOutcome& outcome) const;
  void refuse_waiting();

  Loop& loop_;
  Connector& connector_;
  HostMemory& memory_;
  const ProbeLimits& limits_;
  StreamAddress address_;
  std::string name_;
  CalloutOptions options_;
  Ticket next_ticket_ = 1;
  std::deque<Question> waiting_;
  Links links_;
  Loop::Owned soon_;
};

}  // namespace qv

#endif  // QV_PROBE_HOP_H_
