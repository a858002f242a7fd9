// SPDX-License-Identifier: 0BSD
#include "deliver/agent.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

#include "core/clock.h"
#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"
#include "deliver/packets.h"
#include "deliver/tables.h"
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

void log_delivery(const Envelope& envelope, const Mailbox& mailbox, const Outcome& outcome,
                  std::int64_t milliseconds) {
  LogLine line("deliver");
  line.add("status", delivery_name(outcome.delivery)).add("code", outcome.code);
  line.add("to", envelope.recipient).add("from", envelope.sender);
  // What is held ends in a bounce: the sender need not know our paths.
  const bool may_tell = !is_held || outcome.delivery == Delivery::done;
  if (!mailbox.path.empty() && may_tell) line.add("mailbox", mailbox.path).add("uid", mailbox.uid);
  line.add("bytes", outcome.bytes).add("ms", milliseconds);
  if (outcome.delivery != Delivery::done) line.add("why", outcome.text);
  say(line);
}

Agent::Agent(const DeliverSettings& settings, std::string host)
    : settings_(settings),
      tables_(open_tables(settings, [](std::string_view notice) { log_notice("table", notice); })),
      writers_(settings, std::move(host)) {}

Agent::Agent(const DeliverSettings& settings, BrokerClient broker)
    : settings_(settings),
      broker_(std::move(broker)),
      writers_(settings, [this](const Job& job) { return broker_->hire(job); }) {}

Outcome Agent::find(std::string_view recipient, Mailbox& mailbox) {
  if (broker_) return broker_->find(recipient, mailbox);
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

Result<Fd> fork_broker(const DeliverSettings& settings, const std::string& host) {
  QV_TRY(auto pair, packet_pair());
  const pid_t child = fork();
  if (child < 0) return errno_error("fork");
  if (child > 0) return std::move(pair.first);
  keep_only(pair.second.release());
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) signal(number, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  Agent agent(settings, host);
  serve_broker(settings, host, kOnlySocket, [&agent](std::string_view recipient, Mailbox& mailbox) {
    return agent.find(recipient, mailbox);
  });
  _exit(kExitOk);
}

Outcome Agent::deliver(const Envelope& envelope, const MessageSource& message) {
  const std::int64_t begin = monotonic_us();
  Job job{envelope, {}, message.start, 0};
  Outcome outcome = find(envelope.recipient, job.mailbox);
  if (outcome.delivery == Delivery::done) {
    const Result<int> writer = writers_.start(job, message.fd);
    outcome = writer.ok() ? writers_.finish(writer.value()) : outcome_from(writer.error());
  }
  log_delivery(envelope, job.mailbox, outcome, (monotonic_us() - begin) / 1000);
  return outcome;
}

}  // namespace qv
