// SPDX-License-Identifier: 0BSD
#include "verify/next_hops.h"

#include <cerrno>
#include <functional>
#include <optional>
#include <utility>

#include "core/text.h"
#include "maps/attribute_framing.h"
#include "wire/address_verify.h"

namespace qv::verify {

namespace {

using wire::address_verify::Recipient;

constexpr std::int64_t kMillisecondUs = 1000;

const rcpt::NextHopAnswer kNonsense{rcpt::Why::probe_error, "qmail-probe violates its protocol"};
const rcpt::NextHopAnswer kPending{rcpt::Why::probe_pending, "the next hop is being asked"};

// nullopt: the reply contradicts itself.  A yes or no needs a word that is known to mean it.
std::optional<rcpt::Why> why_of(const wire::address_verify::Reply& reply) {
  // The words of probe/service.h.
  static constexpr struct {
    Recipient recipient;
    std::string_view word;
    rcpt::Why why;
  } kReasons[] = {
      {Recipient::ok, "probe", rcpt::Why::next_hop_accepts},
      {Recipient::ok, "accept-all", rcpt::Why::accept_all},
      {Recipient::ok, "backup-mx", rcpt::Why::backup_mx},
      {Recipient::bounce, "probe", rcpt::Why::next_hop_refuses},
      {Recipient::defer, "probe-pending", rcpt::Why::probe_pending},
      {Recipient::defer, "accept-all", rcpt::Why::accept_all_undecided},
      {Recipient::defer, "unreachable", rcpt::Why::unreachable},
      {Recipient::defer, "sender-refused", rcpt::Why::sender_refused},
      {Recipient::defer, "busy", rcpt::Why::probe_busy},
      {Recipient::defer, "not-probed", rcpt::Why::not_probed},
      {Recipient::defer, "table-error", rcpt::Why::probe_error},
  };
  for (const auto& [recipient, word, why] : kReasons) {
    if (reply.recipient == recipient && reply.why == word) return why;
  }
  if (reply.recipient == Recipient::todo) return rcpt::Why::probe_pending;
  if (reply.recipient == Recipient::defer) return rcpt::Why::next_hop_defers;
  return std::nullopt;
}

// The answer in a message, with views into it.
rcpt::NextHopAnswer read_reply(std::string_view message, event::RequestClient::Sense& sense) {
  wire::AttributeDecoder decoder;
  wire::address_verify::Reply reply;
  sense = event::RequestClient::Sense::nonsense;
  if (decoder.scan(message) != wire::Frame::whole ||
      !wire::address_verify::parse_reply(decoder, message, reply)) {
    return kNonsense;
  }
  const bool is_refused = reply.status != wire::address_verify::kStatusOk;
  const std::optional<rcpt::Why> why = is_refused ? rcpt::Why::probe_error : why_of(reply);
  if (!why) return kNonsense;
  sense = event::RequestClient::Sense::good;
  return {*why, is_refused ? "qmail-probe does not answer this question" : reply.reason};
}

// `asked_twice`: qmail-probe has answered before that the next hop is being asked.
rcpt::NextHopAnswer failure(const Error& error, bool asked_twice) {
  if (error.fault == Fault::protocol) return kNonsense;
  const bool late = error.errnum == ETIMEDOUT;
  const bool too_many = error.errnum == EAGAIN;
  if (asked_twice && (late || too_many)) return kPending;
  if (late) return {rcpt::Why::probe_error, "qmail-probe does not answer in time"};
  if (too_many) return {rcpt::Why::probe_error, "too many questions for qmail-probe"};
  return {rcpt::Why::probe_error, "qmail-probe cannot be reached"};
}

}  // namespace

event::RequestClient NextHops::make_client(event::Loop& loop, const event::StreamAddress& address,
                                           std::size_t connections) {
  return event::RequestClient(
      loop, address, {.connections = connections, .queue = kMaxQueued, .max_reply = kMaxReply},
      maps::attribute_framing(wire::address_verify::kProtocol, {.message = kMaxReply}));
}

// A temporary result goes to the current waiters and is never remembered.
void NextHops::settle(Entry& entry, const rcpt::NextHopAnswer& said) {
  entry.value.why = said.why;
  entry.value.text = first_bytes(said.text, rcpt::kMaxReplyText);
  const std::int64_t now = loop_.now_us();
  const bool is_decided = rcpt::verdict_of(said.why) != rcpt::Verdict::defer;
  lookups_.settle(entry, is_decided ? now : now - lookups_.ttl_us(), {});
}

void NextHops::ask(std::string address, Entry& entry, std::int64_t end_us, bool twice) {
  const std::int64_t wait_ms = twice ? (end_us - loop_.now_us()) / kMillisecondUs : 0;
  if (twice && wait_ms <= 0) return settle(entry, kPending);
  std::string request;
  wire::address_verify::append_query(request, address, static_cast<std::uint32_t>(wait_ms));
  event::RequestClient& asked = twice ? patient_ : quick_;
  asked.ask(std::move(request), end_us + kGraceUs,
            [this, &entry, end_us, twice,
             address = std::move(address)](const Result<std::string_view>& reply) {
              auto sense = event::RequestClient::Sense::nonsense;
              const rcpt::NextHopAnswer said =
                  reply.ok() ? read_reply(reply.value(), sense) : failure(reply.error(), twice);
              if (said.why == rcpt::Why::probe_pending && !twice) {
                ask(address, entry, end_us, true);
              } else {
                settle(entry, said);
              }
              return sense;
            });
}

Result<rcpt::Look> NextHops::ask_next_hop(std::string_view address, rcpt::NextHopAnswer& answer) {
  const auto start = [&](Entry& entry) -> Result<void> {
    ask(std::string(address), entry, loop_.now_us() + wait_us_, false);
    return {};
  };
  const std::string_view domain = after_bytes(address, find_last_byte(address, '@') + 1);
  const Lane lane = lane_of(LaneKind::next_hop, std::hash<std::string_view>{}(domain));
  QV_TRY(const Answer* known, answers_.find(address, lane, start));
  if (known == nullptr) return rcpt::Look::pending;
  answer = {known->why, known->text};
  return rcpt::Look::yes;
}

}  // namespace qv::verify
