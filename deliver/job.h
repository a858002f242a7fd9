// SPDX-License-Identifier: 0BSD
// deliver/job.h - one delivery to one mailbox: what it needs, and doing it.
//
// perform() runs in a process that is the recipient already.  A Job and an Outcome can
// be sent there and back as bytes.
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

namespace qv {

struct Job {
  Envelope envelope;
  Mailbox mailbox;
  off_t start = 0;         // of the body in its file
  std::uint64_t size = 0;  // of the message, as far as it was announced
};

// What is known of a mailbox before the message is there: refuse (5.2.2) where it is full, so that
// not even the announced size, or one byte, fits; done where it is not, or where that cannot be
// told yet.  True of needs_room() where it can make a difference at all.
[[nodiscard]] bool needs_room(const DeliverSettings& settings, const Mailbox& mailbox);
[[nodiscard]] Outcome find_room(Files& files, const DeliverSettings& settings, const Job& job);

// Refuses an envelope with CR, LF or NUL (5.6.0) and a message that has been here before (5.4.6);
// delivers to the maildir, its subfolder, or the mbox.
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

}  // namespace qv

#endif  // QV_DELIVER_JOB_H_
