// SPDX-License-Identifier: 0BSD
// deliver/broker.h - the rights of an LMTP service, kept away from the process that clients talk
// to.
//
// The process that reads what clients send has become an account without rights (VIRTUALUSER). What
// it cannot do any more it asks its broker for, which is root, where the service was started by
// root, and never sees a byte of a client but the recipient's address: where the mail for a
// recipient goes, by the tables, and a writer for that recipient, whose uid and gid the broker
// takes from the tables again.  A writer believes of a job only what the tables could say
// (deliver/writing.h).
//
// Whoever has taken over the front can therefore do what a client can: have mail written to
// mailboxes, and make some, below virtual_mailbox_base; and end writers.
//
//   request   'f' recipient     where does its mail go?
//             'h' recipient     a writer for it
//             'k' process id    ends a writer; not answered
//             's'               reads the settings again
//   reply     a BrokerReply; to 'h' with the writer's socket
//
// Replies come in the order of the requests.
//
// Threads: none.  Tests: tests/deliver/broker_test.cc, tests/e2e/deliver.py
#ifndef QV_DELIVER_BROKER_H_
#define QV_DELIVER_BROKER_H_

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "deliver/lookup.h"
#include "deliver/outcome.h"
#include "deliver/settings.h"

namespace qv {

inline constexpr char kFindMailbox = 'f';
inline constexpr char kStartWriter = 'h';
inline constexpr char kEndWriter = 'k';
inline constexpr char kReadSettings = 's';

struct BrokerReply {
  Outcome outcome;
  Mailbox mailbox;   // done: of the recipient
  pid_t writer = 0;  // done, to 'h'
};

[[nodiscard]] std::string encode_reply(const BrokerReply& reply);
[[nodiscard]] std::optional<BrokerReply> decode_reply(std::string_view bytes);

// What a broker answers from.
struct BrokerDuties {
  const DeliverSettings& settings;  // as they are now
  const std::string& host;
  std::function<Outcome(std::string_view recipient, Mailbox& mailbox)> find;  // as Agent::find()
  // done: `settings` are the new ones.
  std::function<Outcome()> read_settings;
};

// Answers over `socket` until its other end is closed, or says something else.
void serve_broker(int socket, const BrokerDuties& duties);

}  // namespace qv

#endif  // QV_DELIVER_BROKER_H_
