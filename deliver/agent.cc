// SPDX-License-Identifier: 0BSD
#include "deliver/agent.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

#include "core/clock.h"
#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"
#include "deliver/broker.h"
#include "deliver/packets.h"
#include "deliver/tables.h"
#include "deliver/writing.h"
#include "process/log.h"

namespace qv {

namespace {

bool is_held = false;
std::string held;

void say(LogLine& line) {
  if (is_held) {
    held += line.text();
  } else {
    static_cast<void>(write_all(2, line.text()));
  }
}

}  // namespace

void hold_log() { is_held = true; }

void release_log() {
  is_held = false;
  static_cast<void>(write_all(2, held));
  held.clear();
}

void log_notice(std::string_view key, std::string_view value) {
  LogLine line("virtual");
  line.add(key, value);
  say(line);
}

LogLine delivery_line(const Envelope& envelope, const Mailbox& mailbox, const Outcome& outcome,
                      std::int64_t milliseconds) {
  LogLine line("deliver");
  line.add("status", delivery_name(outcome.delivery)).add("code", outcome.code);
  line.add("to", envelope.recipient).add("from", envelope.sender);
  // What is held ends in a bounce: the sender need not know our paths.
  const bool may_tell = !is_held || outcome.delivery == Delivery::done;
  if (!mailbox.path.empty() && may_tell) line.add("mailbox", mailbox.path).add("uid", mailbox.uid);
  line.add("bytes", outcome.bytes).add("ms", milliseconds);
  if (outcome.delivery != Delivery::done) line.add("why", outcome.text);
  return line;
}

void log_delivery(const Envelope& envelope, const Mailbox& mailbox, const Outcome& outcome,
                  std::int64_t milliseconds) {
  LogLine line = delivery_line(envelope, mailbox, outcome, milliseconds);
  say(line);
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

Outcome Agent::find(std::string_view recipient, Mailbox& mailbox) {
  std::string detail;
  const Result<Answer> answer = find_mailbox(settings_, tables_, recipient, mailbox, detail);
  if (answer.ok() && answer.value() == Answer::found) return done(0);
  if (answer.ok()) return refuse("5.1.1", "no such mailbox");
  LogLine line("virtual");
  line.add("to", recipient).add("fault", answer.error().what).add("table", detail);
  say(line);
  if (answer.error().fault == Fault::config) return retry("4.3.5", "mail system is misconfigured");
  return retry("4.3.0", "mailbox look-up is not possible now");
}

Result<Fd> fork_broker(const DeliverSettings& settings, const std::string& host,
                       const ReadSettings& read_settings) {
  QV_TRY(auto pair, packet_pair());
  const pid_t child = fork();
  if (child < 0) return errno_error("fork");
  if (child > 0) return std::move(pair.first);
  for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGUSR1}) signal(number, SIG_IGN);
  keep_only(pair.second.release());
  DeliverSettings now = settings;
  std::optional<Agent> agent(std::in_place, now, host);
  const auto find = [&agent](std::string_view recipient, Mailbox& mailbox) {
    return agent->find(recipient, mailbox);
  };
  const auto read_again = [&] {
    std::optional<DeliverSettings> fresh = read_settings();
    if (!fresh) return retry("4.3.5", "the settings hold mistakes");
    agent.reset();
    now = *std::move(fresh);
    agent.emplace(now, host);
    return done(0);
  };
  serve_broker(kOnlySocket, {now, host, find, read_again});
  _exit(kExitOk);
}

Outcome Agent::write(const Job& job, int message) {
  std::string packet = kDeliver + encode_job(job);
  if (packet.size() > kMaxPacket) return retry("4.3.5", "envelope or path is too long");
  const bool is_theirs = writer_.valid() && uid_ == job.mailbox.uid && gid_ == job.mailbox.gid;
  bool is_sent = is_theirs && send_packet(writer_.get(), packet, message);
  if (!is_sent) {
    Result<Writer> writer = fork_writer(settings_, host_, job.mailbox.uid, job.mailbox.gid);
    if (!writer.ok()) return outcome_from(writer.error());
    writer_ = std::move(writer.value().socket);
    uid_ = job.mailbox.uid;
    gid_ = job.mailbox.gid;
    is_sent = send_packet(writer_.get(), packet, message);
  }
  Fd none;
  const bool answered = is_sent && receive_packet(writer_.get(), packet, none);
  const std::optional<Outcome> outcome =
      answered ? decode_outcome(packet) : std::optional<Outcome>{};
  if (outcome) return *outcome;
  writer_.reset();
  return retry("4.3.0", "delivery process died");
}

Outcome Agent::deliver(const Envelope& envelope, const MessageSource& message) {
  const std::int64_t begin = monotonic_us();
  Job job{envelope, {}, message.start, 0};
  Outcome outcome = find(envelope.recipient, job.mailbox);
  if (outcome.delivery == Delivery::done) outcome = write(job, message.fd);
  log_delivery(envelope, job.mailbox, outcome, (monotonic_us() - begin) / 1000);
  return outcome;
}

}  // namespace qv
