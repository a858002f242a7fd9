// SPDX-License-Identifier: 0BSD
// deliver/counters.h - what the LMTP daemon counts since its start, named once.
//
// The numbers stand in memory that the watching process shares with the workers: a worker that is
// replaced takes nothing of them with it.
//
// Threads: none; processes count at the same time.  Tests: tests/deliver/counters_test.cc,
// tests/e2e/deliver.py
#ifndef QV_DELIVER_COUNTERS_H_
#define QV_DELIVER_COUNTERS_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/result.h"
#include "deliver/outcome.h"
#include "process/counters.h"

namespace qv {

using SharedCount = std::atomic<std::uint64_t>;
static_assert(SharedCount::is_always_lock_free);

struct DeliverCounters {
  SharedCount accepted = 0;
  SharedCount recipients = 0;
  SharedCount refused_recipients = 0;
  SharedCount messages = 0;
  SharedCount done = 0;
  SharedCount retry = 0;
  SharedCount refuse = 0;
  SharedCount bytes = 0;
  SharedCount workers_started = 0;
  SharedCount workers_lost = 0;

  // How the delivery to one recipient ended.
  void count(const Outcome& outcome);
};

// All of them, in a fixed order.
inline constexpr CounterName<DeliverCounters, SharedCount> kDeliverCounterNames[] = {
    {"accepted", &DeliverCounters::accepted, "clients"},
    {"recipients", &DeliverCounters::recipients, "recipients that clients named"},
    {"refused_recipients", &DeliverCounters::refused_recipients, "of these: not taken at RCPT"},
    {"messages", &DeliverCounters::messages, "messages that came whole"},
    {"done", &DeliverCounters::done, "recipients delivered to"},
    {"retry", &DeliverCounters::retry, "recipients not delivered to, later it may work"},
    {"refuse", &DeliverCounters::refuse, "recipients not delivered to, it will not work"},
    {"bytes", &DeliverCounters::bytes, "bytes written to mailboxes"},
    {"workers_started", &DeliverCounters::workers_started, "processes that serve clients, started"},
    {"workers_lost", &DeliverCounters::workers_lost, "those that ended and should not have"},
};

// Counters that a process shares with the children it forks.
class SharedCounters {
 public:
  // Fault::retry: there is no memory.
  [[nodiscard]] static Result<SharedCounters> make();

  [[nodiscard]] DeliverCounters& operator*() const { return *counters_; }
  [[nodiscard]] DeliverCounters* operator->() const { return counters_.get(); }

  // Children that this process forks from here on do not have them.
  void keep_from_children() const;

 private:
  struct Unmap {
    void operator()(DeliverCounters* counters) const;
  };
  explicit SharedCounters(DeliverCounters* counters) : counters_(counters) {}

  std::unique_ptr<DeliverCounters, Unmap> counters_;
};

}  // namespace qv

#endif  // QV_DELIVER_COUNTERS_H_
