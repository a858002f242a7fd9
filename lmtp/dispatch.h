// SPDX-License-Identifier: 0BSD
// lmtp/dispatch.h - one complete message, and its deliveries: one for each recipient.
//
// They run at the same time; the client gets their outcomes in the order of its recipients.  A
// dispatch lives until its last delivery has ended, even when its client has gone.
//
// Threads: none; one Loop.  Tests: tests/lmtp/session_test.cc
#ifndef QV_LMTP_DISPATCH_H_
#define QV_LMTP_DISPATCH_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fd.h"
#include "lmtp/service.h"

namespace qv::lmtp {

class Dispatch : public std::enable_shared_from_this<Dispatch> {
 public:
  // Called for each recipient, in order; perhaps from within start() or fail().
  using Report = std::function<void(const Outcome& outcome, bool is_last)>;

  // REQUIRES: `service` outlives the dispatch; one mailbox for each recipient, at least one.
  Dispatch(Service& service, std::string sender, std::vector<std::string> recipients,
           std::vector<Mailbox> mailboxes, Report report);
  ~Dispatch();
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  // Delivers `message`; or ends every delivery with `why`, where there is no message to deliver.
  void start(Fd message);
  void fail(const Outcome& why);

  // The client has gone: nothing more is reported.
  void leave() { report_ = nullptr; }

 private:
  struct Delivery {
    Job job;
    std::optional<Outcome> outcome;
  };
  void end(std::size_t index, Outcome outcome);

  Service& service_;
  Report report_;
  Fd message_;
  std::vector<Delivery> deliveries_;
  std::size_t reported_ = 0;
  std::int64_t began_us_;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_DISPATCH_H_
