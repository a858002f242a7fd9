// SPDX-License-Identifier: 0BSD
// lmtp/broker_client.h - questions to the broker (deliver/broker.h), answered later.
//
// A bounded number of them is with the broker at a time, the others wait here.  One that is not
// answered in time is answered with retry; what the broker still says to it is dropped.
//
// Threads: none; one Loop.  Blocking: never.  Tests: tests/lmtp/processes_test.cc
#ifndef QV_LMTP_BROKER_CLIENT_H_
#define QV_LMTP_BROKER_CLIENT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "core/fd.h"
#include "deliver/broker.h"
#include "event/loop.h"
#include "lmtp/deliveries.h"

namespace qv::lmtp {

class BrokerClient {
 public:
  // `writer` is the socket of one that was started.
  using Answered = std::function<void(BrokerReply, Fd writer)>;

  // `lost` is called once, when there is no broker any more.  REQUIRES: `loop` outlives this
  // object.
  BrokerClient(Loop& loop, Fd broker, std::function<void()> lost);

  // Calls back once, from the loop, never from within ask(); retry where there is no broker.
  // With ticket 0 it can be neither forgotten nor given up.
  void ask(Deliveries::Ticket ticket, char kind, std::string_view what, Answered answered);
  void forget(Deliveries::Ticket ticket);
  void end_writer(pid_t writer);

  // Answers what was asked before `limit_us` with retry; how many that were.
  std::size_t give_up(std::int64_t limit_us);

 private:
  struct Asked {
    Deliveries::Ticket ticket;
    std::string request;
    Answered answered;  // empty: nobody waits for it
    std::int64_t since_us;
  };
  void send_waiting();
  void on_readable();
  void lose();

  Loop& loop_;
  Fd broker_;
  std::function<void()> lost_;
  Loop::Owned reading_;
  Loop::Owned losing_;
  std::deque<Asked> asked_;
  std::size_t sent_ = 0;  // of these, from the front: with the broker
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_BROKER_CLIENT_H_
