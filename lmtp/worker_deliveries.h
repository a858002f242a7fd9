// SPDX-License-Identifier: 0BSD
// lmtp/worker_deliveries.h - deliveries by two pools of workers: table processes look recipients
// up, writers write mailboxes (deliver/writer.h).
//
// A writer is one uid and gid for good and waits for a while for the next job of that account.  One
// mailbox has at most virtual_destination_concurrency_limit of them at a time, one account at most
// half of all.
//
// Threads: none; one Loop.  Blocking: never.  Tests: tests/lmtp/worker_deliveries_test.cc
#ifndef QV_LMTP_WORKER_DELIVERIES_H_
#define QV_LMTP_WORKER_DELIVERIES_H_

#include <string>

#include "deliver/writer.h"
#include "lmtp/service.h"
#include "process/pool.h"

namespace qv::lmtp {

class WorkerDeliveries final : public Deliveries {
 public:
  // Where table processes and writers come from.
  struct Spawners {
    process::Spawner tables;
    process::Spawner writers;
  };

  // REQUIRES: `loop` and `settings` outlive this object.
  WorkerDeliveries(event::Loop& loop, const deliver::DeliverSettings& settings, Spawners spawners,
                   const process::Pool::Observer& observer);

  [[nodiscard]] Ticket find(const std::string& recipient, Found found) override;
  [[nodiscard]] Ticket find_room(deliver::Job job, Ended ended) override;
  void deliver(deliver::Job job, int message, Ended ended) override;
  void cancel(Ticket ticket) override;

  // `settings` have changed: workers with the old ones get no more work.
  void renew();

  [[nodiscard]] const process::Pool& tables() const { return tables_; }
  [[nodiscard]] const process::Pool& writers() const { return writers_; }

 private:
  process::Pool::Ticket ask_writer(process::Job order, Ended ended);

  const deliver::DeliverSettings& settings_;
  process::Pool tables_;
  process::Pool writers_;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_WORKER_DELIVERIES_H_
