// SPDX-License-Identifier: 0BSD
// lmtp/dispatch.h - one message that came whole, and the deliveries it becomes: one per recipient.
//
// They run at the same time; the client is told in the order of its recipients.  A dispatch lives
// until its last delivery has ended, whether or not its client is still there.
//
// Threads: none; one Loop.  Tests: tests/lmtp/session_test.cc
#ifndef QV_LMTP_DISPATCH_H_
#define QV_LMTP_DISPATCH_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fd.h"
#include "lmtp/service.h"

namespace qv::lmtp {

class Dispatch : public std::enable_shared_from_this<Dispatch> {
 public:
  // Who waits for the outcomes.
  class Client {
   public:
    virtual ~Client() = default;
    // For each recipient, in order.
    virtual void on_outcome(const Outcome& outcome) = 0;
    // After the last of them.  May be called from within start().
    virtual void on_all_told() = 0;
  };

  // REQUIRES: `service` outlives the dispatch; one mailbox for each recipient, at least one.
  Dispatch(Service& service, Client& client, std::string sender,
           std::vector<std::string> recipients, std::vector<Mailbox> mailboxes);
  ~Dispatch();
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  // Delivers `message`; or, where that could not be kept, ends each delivery with that.
  void start(Fd message);
  void fail(const Outcome& why);

  // The client is not there any more.
  void leave() { client_ = nullptr; }

 private:
  struct Delivery {
    Job job;
    std::optional<Outcome> outcome;
  };
  void end(std::size_t index, Outcome outcome);

  Service& service_;
  Client* client_;
  Fd message_;
  std::vector<Delivery> deliveries_;
  std::size_t told_ = 0;
  std::int64_t began_us_;
};

// The line of the log about one delivery.
void log_delivery(Service& service, const Job& job, const Outcome& outcome, std::int64_t us);

}  // namespace qv::lmtp

#endif  // QV_LMTP_DISPATCH_H_
