// SPDX-License-Identifier: 0BSD
// lmtp/processes.h - deliveries by processes: a broker that looks up and starts, writers that
// write.
//
// A writer has irrevocably become one uid and gid and does one job at a time (deliver/writing.h);
// one that has no work is kept for a while for the next job of the same account.  There is a
// bounded number of writers; of these one mailbox has at most so many at a time, and one account at
// most half.  Whoever has more waits, and nobody else waits for that.  A job that takes too long is
// given up and its writer killed; until it is dead, which a dead file server can put off, it
// counts.
//
// Threads: none; one Loop.  Blocking: never.  Tests: tests/lmtp/processes_test.cc
#ifndef QV_LMTP_PROCESSES_H_
#define QV_LMTP_PROCESSES_H_

#include <sys/types.h>

#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "core/fd.h"
#include "event/loop.h"
#include "lmtp/broker_client.h"
#include "lmtp/service.h"

namespace qv::lmtp {

class Processes final : public Deliveries {
 public:
  // `lost` is called once, when there is no broker any more: nothing new can be delivered then.
  // REQUIRES: `loop`, `settings` (as they are now) and `counters` outlive this object.
  Processes(Loop& loop, const DeliverSettings& settings, Counters& counters, Fd broker,
            std::function<void()> lost);

  [[nodiscard]] Ticket find(const std::string& recipient, Found found) override;
  [[nodiscard]] Ticket find_room(Job job, Ended ended) override;
  void deliver(Job job, int message, Ended ended) override;
  void forget(Ticket ticket) override;

  // Has the broker read the settings again; writers that have the old ones get no more work.
  void read_settings(Ended ended);

  [[nodiscard]] std::size_t writers() const { return writers_.size(); }
  // Nothing is under way, nothing waits.
  [[nodiscard]] bool is_idle() const { return busy_ == 0 && waiting_.empty(); }

 private:
  struct Work {
    Ticket ticket;
    char kind;
    Job job;
    int message;
    Ended ended;
    std::int64_t since_us;
  };
  struct Writer {
    Job job;    // the latest: whose writer it is, and for which mailbox it counts
    Fd socket;  // unset until the broker has answered
    pid_t pid = 0;
    Loop::Owned reading;
    std::optional<Work> work;
    std::int64_t since_us = 0;  // of its work, or of its last
    bool is_busy = false;       // counts; true also of one that was given up and is not dead yet
    bool is_stale = false;      // has settings that are not the present ones
  };
  using At = std::list<Writer>::iterator;

  [[nodiscard]] bool can_start(const Job& job) const;
  void start(Work work);
  [[nodiscard]] At find_idle(const Job& job);
  [[nodiscard]] At add_writer();
  void begin(At writer, Work work);
  void on_started(At writer, const BrokerReply& reply, Fd socket);
  [[nodiscard]] bool send_work(At writer);
  void on_readable(At writer);
  void end_writer(At writer, const Outcome& outcome);
  void free(At writer);
  void stop_counting(Writer& writer);
  void remove(At writer);
  void start_waiting();
  void look_around();

  Loop& loop_;
  const DeliverSettings& settings_;
  Counters& counters_;
  BrokerClient broker_;
  Ticket tickets_ = 0;
  std::list<Work> waiting_;
  std::list<Writer> writers_;
  std::size_t busy_ = 0;
  std::map<std::string, std::size_t, std::less<>> of_mailbox_;  // busy writers
  std::map<uid_t, std::size_t> of_account_;
  Loop::Owned tick_;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_PROCESSES_H_
