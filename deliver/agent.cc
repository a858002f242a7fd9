// SPDX-License-Identifier: 0BSD
#include "deliver/agent.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

#include "core/clock.h"
#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"
#include "deliver/writer.h"
#include "process/child.h"
#include "process/log.h"

namespace qv::deliver {

namespace {

bool is_held = false;
std::string held_lines;

}  // namespace

void log_line(process::LogLine line) {
  if (is_held) {
    held_lines += line.text();
  } else {
    static_cast<void>(write_all(2, line.text()));
  }
}

void hold_log() { is_held = true; }

void release_log() {
  is_held = false;
  static_cast<void>(write_all(2, held_lines));
  held_lines.clear();
}

void log_notice(std::string_view key, std::string_view value) {
  process::LogLine line("virtual");
  line.add(key, value);
  log_line(line);
}

process::LogLine delivery_line(const Envelope& envelope, const Mailbox& mailbox,
                               const Outcome& outcome, std::int64_t microseconds) {
  process::LogLine line("deliver");
  line.add("status", delivery_name(outcome.delivery)).add("code", outcome.code);
  line.add("rcpt", envelope.recipient).add("sender", envelope.sender);
  // Held lines end up in a bounce; its reader need not know our paths.
  const bool is_public = is_held && outcome.delivery != Delivery::done;
  if (!mailbox.path.empty() && !is_public)
    line.add("mailbox", mailbox.path).add("uid", mailbox.uid);
  line.add("bytes", outcome.bytes).add("us", microseconds);
  if (outcome.delivery != Delivery::done) line.add("why", outcome.text);
  return line;
}

std::string host_name() {
  char name[256] = "";
  const bool has_name = gethostname(name, sizeof name - 1) == 0 && name[0] != '\0';
  return has_name ? name : "localhost";
}

Agent::Agent(const DeliverSettings& settings, std::string host)
    : settings_(settings),
      host_(std::move(host)),
      tables_(open_tables(settings, [](std::string_view notice) { log_notice("table", notice); })) {
  signal(SIGCHLD, SIG_IGN);
}

FoundMailbox Agent::find(std::string_view recipient) {
  std::string detail;
  Mailbox mailbox;
  const Result<maps::Answer> answer = find_mailbox(settings_, tables_, recipient, mailbox, detail);
  if (answer.ok() && answer.value() == maps::Answer::found) return {done(0), std::move(mailbox)};
  if (answer.ok()) return {refuse("5.1.1", "no such mailbox"), {}};
  process::LogLine line("virtual");
  line.add("rcpt", recipient).add("fault", answer.error().what).add("table", detail);
  log_line(line);
  const bool is_config = answer.error().fault == Fault::config;
  return {is_config ? retry("4.3.5", "mail system is misconfigured")
                    : retry("4.3.0", "mailbox look-up is not possible now"),
          {}};
}

// Forks a process for the mailbox's uid and gid.
Result<Fd> Agent::start_writer(const Mailbox& mailbox) const {
  process::Confinement confinement;
  confinement.name = "qv-writer";
  const process::Identity who{mailbox.uid, mailbox.gid};
  QV_TRY(process::Child writer, process::start_child(confinement, [&](const Fd& socket) {
           write_for(settings_, host_, who, socket);
         }));
  return std::move(writer.socket);
}

Outcome Agent::write(const Job& job, int message) {
  const std::string body = kDeliver + encode_job(job);
  const bool is_theirs = writer_.valid() && uid_ == job.mailbox.uid && gid_ == job.mailbox.gid;
  if (!is_theirs) {
    QV_TRY(writer_, start_writer(job.mailbox));
    uid_ = job.mailbox.uid;
    gid_ = job.mailbox.gid;
  }
  using process::Waiting;
  const Result<void> sent = process::send_message(writer_, 0, 0, body, message, Waiting::allowed);
  if (!sent.ok() && sent.error().errnum == EMSGSIZE) {
    return retry("4.3.5", "envelope or path is too long");
  }
  if (sent.ok()) {
    const Result<process::Message> answer = process::receive_message(writer_, Waiting::allowed);
    const std::optional<Outcome> outcome =
        answer.ok() ? decode_outcome(answer.value().body) : std::nullopt;
    if (outcome) return *outcome;
  }
  writer_.reset();
  // A reused writer that died while idle has lost nothing: try a new one.
  if (!sent.ok() && is_theirs) return write(job, message);
  return retry("4.3.0", "delivery process died");
}

Outcome Agent::deliver(const Envelope& envelope, const MessageSource& message) {
  const std::int64_t begin = monotonic_us();
  FoundMailbox found = find(envelope.recipient);
  if (found.outcome.delivery == Delivery::done) {
    found.outcome = write({envelope, found.mailbox, message.start, 0}, message.fd);
  }
  log_line(delivery_line(envelope, found.mailbox, found.outcome, monotonic_us() - begin));
  return found.outcome;
}

}  // namespace qv::deliver
