// SPDX-License-Identifier: 0BSD
// deliver/job.h - one delivery to one mailbox: its parameters, and carrying it out.
//
// perform() runs in a process that has already become the recipient.  A Job travels there as bytes,
// an Outcome travels back.
//
// Threads: none.  Tests: tests/deliver/job_test.cc
#ifndef QV_DELIVER_JOB_H_
#define QV_DELIVER_JOB_H_

#include <optional>
#include <string>
#include <string_view>

#include "deliver/files.h"
#include "deliver/lookup.h"
#include "deliver/message.h"
#include "deliver/outcome.h"
#include "deliver/settings.h"

namespace qv::deliver {

struct Job {
  Envelope envelope;
  Mailbox mailbox;
  off_t start = 0;         // of the body in its file
  std::uint64_t size = 0;  // of the message, where the client announced it
};

// Checks a mailbox before the message has arrived: refuse (5.2.2) where the announced size, or one
// byte, does not fit; done where it fits, and where that is undecided.  needs_room() is false where
// the mailbox has no limit, so that the answer is known to be done.
[[nodiscard]] bool needs_room(const DeliverSettings& settings, const Mailbox& mailbox);
[[nodiscard]] Outcome find_room(Files& files, const DeliverSettings& settings, const Job& job);

// Refuses an envelope with CR, LF or NUL (5.6.0) and a message that is looping (5.4.6); delivers to
// the maildir, its subfolder, or the mbox.
[[nodiscard]] Outcome perform(Files& files, const DeliverSettings& settings, std::string_view host,
                              const Job& job, int message);

// What the tables say of a recipient.
struct FoundMailbox {
  Outcome outcome;  // done: there is a mailbox; refuse: no such recipient; retry: undecided
  Mailbox mailbox;  // outcome done
};

// Length-prefixed fields, which may hold any bytes.  nullopt where the bytes are not exactly that.
[[nodiscard]] std::string encode_job(const Job& job);
[[nodiscard]] std::optional<Job> decode_job(std::string_view bytes);
[[nodiscard]] std::string encode_outcome(const Outcome& outcome);
[[nodiscard]] std::optional<Outcome> decode_outcome(std::string_view bytes);
[[nodiscard]] std::string encode_found(const FoundMailbox& found);
[[nodiscard]] std::optional<FoundMailbox> decode_found(std::string_view bytes);

}  // namespace qv::deliver

#endif  // QV_DELIVER_JOB_H_
