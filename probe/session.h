// SPDX-License-Identifier: 0BSD
// probe/session.h - one connection to a next hop with a Callout on it, and its time limits.
//
// Threads: none.  Tests: tests/probe/driver_test.cc
#ifndef QV_PROBE_SESSION_H_
#define QV_PROBE_SESSION_H_

#include <memory>
#include <string>

#include "event/connect.h"
#include "event/loop.h"
#include "probe/callout.h"
#include "probe/limits.h"

namespace qv {

class ProbeSession final : private Connection::User {
 public:
  // Called from the loop, never from within a call to the session.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The recipient that was asked about is settled.  The session may be asked again, or not
    // (can_ask()).
    virtual void on_outcome(ProbeSession& session, const ProbeOutcome& outcome) = 0;
    // It is over; the owner may destroy it now or later.  ending() says why.
    virtual void on_session_end(ProbeSession& session) = 0;
  };

  // `host`: for SNI.  REQUIRES: everything outlives the session.
  ProbeSession(Loop& loop, Connector& connector, const StreamAddress& address, std::string host,
               const ProbeLimits& limits, CalloutOptions options, Owner& owner);

  // REQUIRES: can_ask().
  void ask(std::string_view address);
  [[nodiscard]] bool can_ask() const;
  // Says QUIT and ends.  REQUIRES: nothing is being asked.
  void leave();
  // Ends at once; what is being asked is settled as timed out.
  void give_up();

  [[nodiscard]] const ProbeOutcome& ending() const { return callout_.ending(); }
  // Number of recipients it has settled.
  [[nodiscard]] unsigned asked() const { return callout_.asked(); }

 private:
  void on_connected() override;
  void on_bytes(std::string_view bytes) override;
  void on_secured() override;
  void on_closed(During during, std::string_view why) override;

  // Does what the callout wants; the last thing any callback does.
  void pump();
  void set_timer();
  void on_time();

  Loop& loop_;
  const ProbeLimits& limits_;
  std::string host_;
  Callout callout_;
  Owner& owner_;
  std::unique_ptr<Connection> connection_;
  Loop::Owned timer_;
  Loop::Owned soon_;
  unsigned timed_step_ = ~0u;
};

}  // namespace qv

#endif  // QV_PROBE_SESSION_H_
