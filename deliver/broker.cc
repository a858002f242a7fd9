// SPDX-License-Identifier: 0BSD
#include "deliver/broker.h"

#include <signal.h>

#include <optional>
#include <utility>

#include "core/text.h"
#include "deliver/packets.h"
#include "deliver/writing.h"

namespace qv {

namespace {

constexpr char kFind = 'f';
constexpr char kHire = 'h';

// False where the request is none, or nobody takes the answer.
bool answer(const DeliverSettings& settings, const std::string& host, int socket,
            const FindMailbox& find, std::string_view request) {
  const char kind = request.front();
  if (kind != kFind && kind != kHire) return false;
  Job job;
  job.envelope.recipient = std::string(after_bytes(request, 1));
  Outcome outcome = find(job.envelope.recipient, job.mailbox);
  Fd writer;
  if (kind == kHire && outcome.delivery == Delivery::done) {
    Result<Fd> forked = fork_writer(settings, host, job.mailbox.uid, job.mailbox.gid);
    if (forked.ok()) {
      writer = std::move(forked).value();
    } else {
      outcome = outcome_from(forked.error());
    }
  }
  return send_packet(socket, join_two(encode_outcome(outcome), encode_job(job)), writer.get());
}

}  // namespace

void serve_broker(const DeliverSettings& settings, const std::string& host, int socket,
                  const FindMailbox& find) {
  signal(SIGCHLD, SIG_IGN);
  std::string request;
  for (Fd none; receive_packet(socket, request, none); none.reset()) {
    if (!answer(settings, host, socket, find, request)) return;
  }
}

Outcome BrokerClient::ask(char kind, std::string_view recipient, Mailbox& mailbox, Fd& writer) {
  std::string packet(1, kind);
  packet += recipient;
  const bool answered = is_there() && packet.size() < kMaxJob &&
                        send_packet(socket_.get(), packet) &&
                        receive_packet(socket_.get(), packet, writer);
  std::string_view first;
  std::string_view second;
  if (answered && split_two(packet, first, second)) {
    const std::optional<Outcome> outcome = decode_outcome(first);
    std::optional<Job> job = decode_job(second);
    if (outcome && job) {
      mailbox = std::move(job->mailbox);
      return *outcome;
    }
  }
  socket_.reset();
  return retry("4.3.0", "mailbox look-up is not possible now");
}

Outcome BrokerClient::find(std::string_view recipient, Mailbox& mailbox) {
  Fd none;
  return ask(kFind, recipient, mailbox, none);
}

Result<Fd> BrokerClient::hire(const Job& job) {
  Mailbox mailbox;
  Fd writer;
  const Outcome outcome = ask(kHire, job.envelope.recipient, mailbox, writer);
  if (outcome.delivery != Delivery::done || !writer.valid()) {
    return Error{Fault::retry, 0, "delivery process cannot be started"};
  }
  if (mailbox.uid != job.mailbox.uid || mailbox.gid != job.mailbox.gid) {
    return Error{Fault::retry, 0, "mailbox has a new owner"};
  }
  return writer;
}

}  // namespace qv
