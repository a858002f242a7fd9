// SPDX-License-Identifier: 0BSD
#include "verify/next_hops.h"

#include <cerrno>
#include <functional>
#include <optional>
#include <utility>

#include "core/text.h"
#include "maps/attribute_framing.h"
#include "wire/address_verify.h"

namespace qv {

namespace {

using address_verify::Recipient;

constexpr std::int64_t kMillisecondUs = 1000;

const NextHopAnswer kNonsense{Why::probe_error, "qmail-probe violates its protocol"};
const NextHopAnswer kPending{Why::probe_pending, "the next hop is being asked"};

// nullopt: the reply contradicts itself.  A yes or no needs a word that is known to mean it.
std::optional<Why> why_of(const address_verify::Reply& reply) {
  // The words of probe/service.h.
  static constexpr struct {
    Recipient recipient;
    std::string_view word;
    Why why;
  } kReasons[] = {
      {Recipient::ok, "probe", Why::next_hop_accepts},
      {Recipient::ok, "accept-all", Why::accept_all},
      {Recipient::ok, "backup-mx", Why::backup_mx},
      {Recipient::bounce, "probe", Why::next_hop_refuses},
      {Recipient::defer, "probe-pending", Why::probe_pending},
      {Recipient::defer, "accept-all", Why::accept_all_undecided},
      {Recipient::defer, "unreachable", Why::unreachable},
      {Recipient::defer, "sender-refused", Why::sender_refused},
      {Recipient::defer, "busy", Why::probe_busy},
      {Recipient::defer, "not-probed", Why::not_probed},
      {Recipient::defer, "table-error", Why::probe_error},
  };
  for (const auto& [recipient, word, why] : kReasons) {
    if (reply.recipient == recipient && reply.why == word) return why;
  }
  if (reply.recipient == Recipient::todo) return Why::probe_pending;
  if (reply.recipient == Recipient::defer) return Why::next_hop_defers;
  return std::nullopt;
}

// The answer in a message, with views into it.
NextHopAnswer read_reply(std::string_view message, RequestClient::Sense& sense) {
  AttributeDecoder decoder;
  address_verify::Reply reply;
  sense = RequestClient::Sense::nonsense;
  if (decoder.scan(message) != Frame::whole ||
      !address_verify::parse_reply(decoder, message, reply)) {
    return kNonsense;
  }
  const bool is_refused = reply.status != address_verify::kStatusOk;
  const std::optional<Why> why = is_refused ? Why::probe_error : why_of(reply);
  if (!why) return kNonsense;
  sense = RequestClient::Sense::good;
  return {*why, is_refused ? "qmail-probe does not answer this question" : reply.reason};
}

// `asked_twice`: qmail-probe has answered before that the next hop is being asked.
NextHopAnswer failure(const Error& error, bool asked_twice) {
  if (error.fault == Fault::protocol) return kNonsense;
  const bool late = error.errnum == ETIMEDOUT;
  const bool too_many = error.errnum == EAGAIN;
  if (asked_twice && (late || too_many)) return kPending;
  if (late) return {Why::probe_error, "qmail-probe does not answer in time"};
  if (too_many) return {Why::probe_error, "too many questions for qmail-probe"};
  return {Why::probe_error, "qmail-probe cannot be reached"};
}

}  // namespace

RequestClient NextHops::make_client(Loop& loop, const StreamAddress& address,
                                    std::size_t connections) {
  return RequestClient(loop, address,
                       {.connections = connections, .queue = kMaxQueued, .max_reply = kMaxReply},
                       attribute_framing(address_verify::kProtocol, {.message = kMaxReply}));
}

// A temporary result goes to the current waiters and is never remembered.
void NextHops::settle(Entry& entry, const NextHopAnswer& said) {
  entry.value.why = said.why;
  entry.value.text = first_bytes(said.text, kMaxReplyText);
  const std::int64_t now = loop_.now_us();
  const bool is_decided = verdict_of(said.why) != Verdict::defer;
  lookups_.settle(entry, is_decided ? now : now - lookups_.ttl_us(), {});
}

void NextHops::ask(std::string address, Entry& entry, std::int64_t end_us, bool twice) {
  const std::int64_t wait_ms = twice ? (end_us - loop_.now_us()) / kMillisecondUs : 0;
  if (twice && wait_ms <= 0) return settle(entry, kPending);
  std::string request;
  address_verify::append_query(request, address, static_cast<std::uint32_t>(wait_ms));
  RequestClient& asked = twice ? patient_ : quick_;
  asked.ask(std::move(request), end_us + kGraceUs,
            [this, &entry, end_us, twice,
             address = std::move(address)](const Result<std::string_view>& reply) {
              auto sense = RequestClient::Sense::nonsense;
              const NextHopAnswer said =
                  reply.ok() ? read_reply(reply.value(), sense) : failure(reply.error(), twice);
              if (said.why == Why::probe_pending && !twice) {
                ask(address, entry, end_us, true);
              } else {
                settle(entry, said);
              }
              return sense;
            });
}

Result<Look> NextHops::ask_next_hop(std::string_view address, NextHopAnswer& answer) {
  const auto start = [&](Entry& entry) -> Result<void> {
    ask(std::string(address), entry, loop_.now_us() + wait_us_, false);
    return {};
  };
  const std::string_view domain = after_bytes(address, find_last_byte(address, '@') + 1);
  const Lane lane = lane_of(LaneKind::next_hop, std::hash<std::string_view>{}(domain));
  QV_TRY(const Answer* known, answers_.find(address, lane, start));
  if (known == nullptr) return Look::pending;
  answer = {known->why, known->text};
  return Look::yes;
}

}  // namespace qv
