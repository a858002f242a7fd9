// SPDX-License-Identifier: 0BSD
// deliver/agent.h - one recipient from address to log line: look up, deliver, log.
//
// Log lines go to standard error, one write each.  Callers that parse our output (qmail-local,
// Postfix's pipe(8)) must get the result first: hold_log() and release_log() see to that.
//
// Threads: none.  Blocking: deliver() until the delivery has ended; find() as the tables do.
// Tests: tests/e2e/deliver.py
#ifndef QV_DELIVER_AGENT_H_
#define QV_DELIVER_AGENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/job.h"
#include "deliver/lookup.h"
#include "deliver/outcome.h"
#include "deliver/settings.h"
#include "process/log.h"

namespace qv::deliver {

class Agent {
 public:
  // REQUIRES: `settings` outlives this object.
  Agent(const DeliverSettings& settings, std::string host);

  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Where the mail for a recipient goes.  Where that is undecided, a line in the log says why.
  [[nodiscard]] FoundMailbox find(std::string_view recipient);

  // Looks up, delivers, and logs one line.
  [[nodiscard]] Outcome deliver(const Envelope& envelope, const MessageSource& message);

  [[nodiscard]] const DeliverSettings& settings() const { return settings_; }

 private:
  [[nodiscard]] Outcome write(const Job& job, int message);
  [[nodiscard]] Result<Fd> start_writer(const Mailbox& mailbox) const;

  const DeliverSettings& settings_;
  std::string host_;
  RecipientTables tables_;
  Fd writer_;  // of the latest recipient, reused for the next one of the same uid and gid
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

// The name of this machine, for files in a maildir and for LMTP greetings.
[[nodiscard]] std::string host_name();

// `deliver status=done code=2.0.0 rcpt=... sender=... mailbox=... bytes=... us=...`; of a failed
// delivery `why` holds the text.
[[nodiscard]] process::LogLine delivery_line(const Envelope& envelope, const Mailbox& mailbox,
                                             const Outcome& outcome, std::int64_t microseconds);

void log_line(process::LogLine line);
// `virtual key=value`: a line that is about no single delivery.
void log_notice(std::string_view key, std::string_view value);

// Until release_log() the lines stay in memory.
void hold_log();
void release_log();

}  // namespace qv::deliver

#endif  // QV_DELIVER_AGENT_H_
