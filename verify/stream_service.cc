// SPDX-License-Identifier: 0BSD
#include "verify/stream_service.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "core/text.h"
#include "wire/policy.h"
#include "wire/socketmap.h"
#include "wire/tcp_table.h"

namespace qv::verify {

namespace {

constexpr std::int64_t kSecondUs = 1000000;

// By StreamProtocol.
constexpr std::string_view kProtocolNames[] = {"policy", "socketmap", "tcp_table"};

constexpr std::string_view protocol_name(StreamProtocol protocol) {
  return kProtocolNames[static_cast<std::size_t>(protocol)];
}

// Postfix itself closes idle connections, policy's after 300 s: this limit is longer.
event::StreamServerLimits stream_limits() {
  event::StreamServerLimits limits;
  limits.max_clients = StreamService::kMaxClients;
  limits.stream.max_input = wire::policy::kMaxRequest;
  limits.stream.idle_us = 1000 * kSecondUs;
  limits.stream.message_us = 100 * kSecondUs;
  limits.stream.drain_us = 100 * kSecondUs;
  return limits;
}

// RFC 3463: 5.1.1 bad mailbox, 5.1.3 bad syntax, 5.2.1 mailbox disabled; a 550 for each, as
// everywhere.
std::string_view enhanced_code(rcpt::Why why) {
  if (why == rcpt::Why::syntax || why == rcpt::Why::too_long) return "5.1.3 ";
  return why == rcpt::Why::disabled ? "5.2.1 " : "5.1.1 ";
}

// One request, whatever its protocol.  The views live as long as the input and `decoded`.
struct Request {
  Asked asked;
  bool is_other = false;  // not about a recipient: nothing is to be decided
  std::string decoded;
};

wire::Frame parse_policy(std::string_view input, wire::policy::RequestScanner& scanner,
                         Request& request, std::size_t& size) {
  const wire::Frame frame = scanner.scan(input);
  if (frame != wire::Frame::whole) return frame;
  size = scanner.size();
  scanner.reset();
  wire::policy::Request sent;
  if (!wire::policy::parse_request(first_bytes(input, size), sent)) return wire::Frame::malformed;
  request.asked = {sent.recipient, sent.client_address, sent.helo_name, sent.sender, {}, 0};
  // At END-OF-MESSAGE and DATA each recipient has already been decided.
  request.is_other = sent.request != "smtpd_access_policy" || sent.recipient.empty() ||
                     (!sent.protocol_state.empty() && sent.protocol_state != "RCPT");
  return wire::Frame::whole;
}

wire::Frame parse_key(StreamProtocol protocol, std::string_view input, Request& request,
                      std::size_t& size) {
  wire::Frame frame = wire::Frame::malformed;
  if (protocol == StreamProtocol::tcp_table) {
    frame = wire::tcp_table::parse_request(input, request.decoded, size);
    request.asked.address = request.decoded;
  } else {
    wire::socketmap::Request sent;
    frame = wire::socketmap::parse_request(input, sent, size);
    request.asked.address = sent.key;
  }
  // Postfix looks up `@domain` when an address is not there: that is no recipient.
  request.is_other = starts_with(request.asked.address, "@");
  return frame;
}

}  // namespace

std::optional<StreamProtocol> parse_stream_protocol(std::string_view& word) {
  const std::size_t colon = find_byte(word, ':');
  const auto* const name =
      std::find(std::begin(kProtocolNames), std::end(kProtocolNames), first_bytes(word, colon));
  if (colon == word.size() || name == std::end(kProtocolNames)) return std::nullopt;
  word = after_bytes(word, colon + 1);
  return static_cast<StreamProtocol>(name - std::begin(kProtocolNames));
}

void append_answer(std::string& out, StreamProtocol protocol, std::string_view key,
                   const rcpt::Decision& decision) {
  const rcpt::Verdict verdict = decision.verdict();
  const std::string_view text = decision.reply_text();
  const bool accepts = verdict == rcpt::Verdict::accept;
  const bool refuses = verdict == rcpt::Verdict::reject;
  switch (protocol) {
    case StreamProtocol::policy: {
      std::string action = accepts ? "DUNNO" : refuses ? "550 " : "DEFER_IF_PERMIT 4.3.0 ";
      if (refuses) action += enhanced_code(decision.why);
      return wire::policy::append_reply(out, action.append(text));
    }
    case StreamProtocol::socketmap: {
      using wire::socketmap::Status;
      const Status status = accepts ? Status::ok : refuses ? Status::not_found : Status::temporary;
      const std::string_view said = accepts ? key : refuses ? std::string_view() : text;
      return wire::socketmap::append_reply(out, {status, said});
    }
    case StreamProtocol::tcp_table: {
      using wire::tcp_table::Status;
      const Status status = accepts ? Status::found : refuses ? Status::not_found : Status::retry;
      return wire::tcp_table::append_reply(out, status, accepts ? key : text);
    }
  }
}

class StreamService::Session final : public event::StreamSession {
 public:
  Session(StreamService& service, event::Stream& stream, StreamProtocol protocol)
      : service_(service), stream_(stream), protocol_(protocol) {}

  std::size_t on_input(event::Stream& stream, std::string_view input) override {
    Request request;
    std::size_t size = 0;
    switch (protocol_ == StreamProtocol::policy ? parse_policy(input, scanner_, request, size)
                                                : parse_key(protocol_, input, request, size)) {
      case wire::Frame::partial:
        return 0;
      case wire::Frame::malformed:
        break;
      case wire::Frame::whole:
        decide(request);
        return size;
    }
    ++service_.verifier_.counters().malformed;
    process::LogLine line("stream");
    service_.log_.write(line.add("event", "malformed").add("via", protocol_name(protocol_)));
    service_.log_.flush();
    stream.close();
    return input.size();
  }

 private:
  void decide(Request& request) {
    Asked& asked = request.asked;
    if (request.is_other) return answer_other(asked.address);
    ++service_.verifier_.counters().stream;
    const std::int64_t now = asked.at_us = service_.loop_.now_us();
    service_.verifier_.refresh(now);
    rcpt::Decision decision = service_.verifier_.decide(asked.address, now);
    if (!decision.pending) return answer(asked, decision);
    const auto copy = [](std::string_view text) { return std::string(text); };
    // The query outlives a client that goes meanwhile.
    auto done = [session = std::weak_ptr<Session*>(self_), address = copy(asked.address),
                 client = copy(asked.client), helo = copy(asked.helo), sender = copy(asked.sender),
                 now](const rcpt::Decision& late) {
      const std::shared_ptr<Session*> here = session.lock();
      if (here == nullptr) return;
      (*here)->answer({address, client, helo, sender, {}, now}, late);
      (*here)->stream_.resume();
    };
    if (service_.verifier_.park(decision, {copy(asked.address), now, std::move(done)}) ==
        Verifier::Parked::no_room) {
      return answer(asked, decision);
    }
    stream_.pause();
  }

  // A policy client may go on; a table does not have the key.
  void answer_other(std::string_view key) {
    ++service_.verifier_.counters().other;
    rcpt::Why why =
        protocol_ == StreamProtocol::policy ? rcpt::Why::relay : rcpt::Why::unknown_user;
    write(key, decided_without_looking(why));
  }

  void answer(Asked asked, const rcpt::Decision& decision) {
    asked.via = protocol_name(protocol_);
    service_.verifier_.record(asked, decision);
    write(asked.address, decision);
    service_.log_.flush();
  }

  void write(std::string_view key, const rcpt::Decision& decision) {
    std::string out;
    append_answer(out, protocol_, key, decision);
    stream_.write(out);
  }

  StreamService& service_;
  event::Stream& stream_;
  StreamProtocol protocol_;
  wire::policy::RequestScanner scanner_;
  std::shared_ptr<Session*> self_ = std::make_shared<Session*>(this);  // for a parked query
};

StreamService::StreamService(event::Loop& loop, Verifier& verifier, process::LogWriter& log)
    : loop_(loop), verifier_(verifier), log_(log), server_(loop, stream_limits()) {
  server_.on_trouble([this](std::string_view what) {
    process::LogLine line("stream");
    log_.write(line.add("event", "trouble").add("problem", what));
    log_.flush();
  });
}

void StreamService::serve(Fd listener, StreamProtocol protocol) {
  server_.serve(std::move(listener), [this, protocol](event::Stream& stream) {
    return std::make_unique<Session>(*this, stream, protocol);
  });
}

}  // namespace qv::verify
