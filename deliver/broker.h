// SPDX-License-Identifier: 0BSD
// deliver/broker.h - the rights of an LMTP process, kept away from the process that clients talk
// to.
//
// Started as root, the process that reads what clients send has become an account without rights
// (VIRTUALUSER).  What it cannot do any more it asks its broker for, which is root and never sees a
// byte of a client but the recipient's address: where the mail for a recipient goes, by the tables,
// and a writer for that recipient, whose uid and gid the broker takes from the tables again.  A
// writer believes of a job only what the tables could say (deliver/writing.h).
//
// Who has taken over the front can therefore do what a client can: have mail written to mailboxes,
// and make some, below virtual_mailbox_base.
//
//   request   'f' recipient               where does its mail go?
//             'h' recipient               a writer for it
//   reply     an Outcome and a Job whose mailbox is it, joined; with 'h' the writer's socket
//
// Threads: none.  Blocking: the client's calls wait for the broker, which waits for the tables.
// Tests: tests/deliver/broker_test.cc, tests/e2e/deliver.py
#ifndef QV_DELIVER_BROKER_H_
#define QV_DELIVER_BROKER_H_

#include <functional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/job.h"
#include "deliver/lookup.h"
#include "deliver/outcome.h"
#include "deliver/settings.h"

namespace qv {

// As Agent::find().
using FindMailbox = std::function<Outcome(std::string_view recipient, Mailbox& mailbox)>;

// Answers over `socket` until its other end is closed.
void serve_broker(const DeliverSettings& settings, const std::string& host, int socket,
                  const FindMailbox& find);

class BrokerClient {
 public:
  explicit BrokerClient(Fd socket) : socket_(std::move(socket)) {}

  // As Agent::find(); retry where there is no broker any more.
  [[nodiscard]] Outcome find(std::string_view recipient, Mailbox& mailbox);

  // A writer for the recipient of a job.  Error: there is none, or the tables say another uid or
  // gid by now.
  [[nodiscard]] Result<Fd> hire(const Job& job);

  // False once the broker is gone: nothing can be delivered any more.
  [[nodiscard]] bool is_there() const { return socket_.valid(); }

 private:
  [[nodiscard]] Outcome ask(char kind, std::string_view recipient, Mailbox& mailbox, Fd& writer);

  Fd socket_;
};

}  // namespace qv

#endif  // QV_DELIVER_BROKER_H_
