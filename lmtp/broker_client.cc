// SPDX-License-Identifier: 0BSD
#include "lmtp/broker_client.h"

#include <utility>
#include <vector>

#include "deliver/packets.h"

namespace qv::lmtp {

namespace {

// All of them, of any length, fit into the socket's buffer: sending never waits.
constexpr std::size_t kMaxSent = 32;

BrokerReply no_answer() { return {retry("4.3.0", "mailbox look-up is not possible now"), {}, 0}; }

}  // namespace

BrokerClient::BrokerClient(Loop& loop, Fd broker, std::function<void()> lost)
    : loop_(loop), broker_(std::move(broker)), lost_(std::move(lost)) {
  reading_ = loop_.when_readable(broker_.get(), [this] { on_readable(); });
}

void BrokerClient::ask(Deliveries::Ticket ticket, char kind, std::string_view what,
                       Answered answered) {
  asked_.push_back({ticket, kind + std::string(what), std::move(answered), loop_.now_us()});
  send_waiting();
}

void BrokerClient::forget(Deliveries::Ticket ticket) {
  for (Asked& asked : asked_) {
    if (asked.ticket == ticket) asked.answered = nullptr;
  }
}

void BrokerClient::end_writer(pid_t writer) {
  static_cast<void>(send_packet(broker_.get(), kEndWriter + std::to_string(writer)));
}

void BrokerClient::send_waiting() {
  while (broker_.valid() && sent_ < asked_.size() && sent_ < kMaxSent) {
    if (!send_packet(broker_.get(), asked_[sent_].request)) broker_.reset();
    ++sent_;
  }
  if (!broker_.valid() && !losing_) losing_ = loop_.after(0, [this] { lose(); });
}

void BrokerClient::on_readable() {
  std::string packet;
  Fd writer;
  const bool received = receive_packet(broker_.get(), packet, writer);
  std::optional<BrokerReply> reply = received ? decode_reply(packet) : std::optional<BrokerReply>{};
  if (!reply || sent_ == 0) return lose();
  const Asked asked = std::move(asked_.front());
  asked_.pop_front();
  --sent_;
  send_waiting();
  if (asked.answered) asked.answered(*std::move(reply), std::move(writer));
}

void BrokerClient::lose() {
  losing_.reset();
  reading_.reset();
  broker_.reset();
  sent_ = 0;
  const std::deque<Asked> asked = std::exchange(asked_, {});
  for (const Asked& each : asked) {
    if (each.answered) each.answered(no_answer(), Fd());
  }
  if (lost_) std::exchange(lost_, nullptr)();
}

std::size_t BrokerClient::give_up(std::int64_t limit_us) {
  std::vector<Answered> overdue;
  for (Asked& asked : asked_) {
    if (asked.since_us > limit_us) break;
    if (asked.ticket != 0 && asked.answered) {
      overdue.push_back(std::exchange(asked.answered, nullptr));
    }
  }
  for (const Answered& answered : overdue) answered(no_answer(), Fd());
  return overdue.size();
}

}  // namespace qv::lmtp
