// SPDX-License-Identifier: 0BSD
#include "deliver/broker.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "core/text.h"
#include "deliver/job.h"
#include "deliver/packets.h"
#include "deliver/writing.h"

namespace qv {

namespace {

constexpr std::uint64_t kMaxPid = INT32_MAX;
constexpr std::size_t kMaxMailbox = kMaxPacket - 4096;  // with three addresses it is still a packet

// Ends a process that this one has started, and no other: what is checked and what is ended is one
// process, even if its number is another's by now.
void end_writer(std::string_view number) {
  std::uint64_t pid = 0;
  if (!parse_decimal(number, kMaxPid, pid) || pid == 0) return;
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(process.get()), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return;
  }
  syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
}

BrokerReply answer(const BrokerDuties& duties, char kind, std::string_view recipient, Fd& socket) {
  BrokerReply reply;
  if (kind == kReadSettings) {
    reply.outcome = duties.read_settings();
    return reply;
  }
  reply.outcome = duties.find(recipient, reply.mailbox);
  if (reply.mailbox.path.size() > kMaxMailbox) return {retry("4.3.5", "path is too long"), {}, 0};
  if (kind != kStartWriter || reply.outcome.delivery != Delivery::done) return reply;
  Result<Writer> writer =
      fork_writer(duties.settings, duties.host, reply.mailbox.uid, reply.mailbox.gid);
  if (writer.ok()) {
    socket = std::move(writer.value().socket);
    reply.writer = writer.value().pid;
  } else {
    reply.outcome = outcome_from(writer.error());
  }
  return reply;
}

}  // namespace

std::string encode_reply(const BrokerReply& reply) {
  Job job;
  job.mailbox = reply.mailbox;
  return join_two(std::to_string(reply.writer),
                  join_two(encode_outcome(reply.outcome), encode_job(job)));
}

std::optional<BrokerReply> decode_reply(std::string_view bytes) {
  std::string_view writer;
  std::string_view outcome;
  std::string_view job;
  std::uint64_t pid = 0;
  if (!split_two(bytes, writer, bytes) || !split_two(bytes, outcome, job)) return std::nullopt;
  std::optional<Outcome> decoded = decode_outcome(outcome);
  std::optional<Job> of = decode_job(job);
  if (!decoded || !of || !parse_decimal(writer, kMaxPid, pid)) return std::nullopt;
  return BrokerReply{*std::move(decoded), std::move(of->mailbox), static_cast<pid_t>(pid)};
}

void serve_broker(int socket, const BrokerDuties& duties) {
  signal(SIGCHLD, SIG_IGN);
  std::string request;
  for (Fd none; receive_packet(socket, request, none); none.reset()) {
    const char kind = request.front();
    const std::string_view rest = after_bytes(request, 1);
    if (kind == kEndWriter) {
      end_writer(rest);
      continue;
    }
    if (kind != kFindMailbox && kind != kStartWriter && kind != kReadSettings) return;
    Fd writer;
    const BrokerReply reply = answer(duties, kind, rest, writer);
    if (!send_packet(socket, encode_reply(reply), writer.get())) return;
  }
}

}  // namespace qv
