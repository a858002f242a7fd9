// SPDX-License-Identifier: 0BSD
#include "verify/stream_service.h"

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "core/text.h"
#include "wire/policy.h"
#include "wire/socketmap.h"
#include "wire/tcp_table.h"

namespace qv {

namespace {

constexpr std::int64_t kSecondUs = 1000000;

// By StreamProtocol.
constexpr std::string_view kProtocolNames[] = {"policy", "socketmap", "tcp_table"};

constexpr std::string_view protocol_name(StreamProtocol protocol) {
  return kProtocolNames[static_cast<std::size_t>(protocol)];
}

// The protocol that a word of LISTEN begins with, if any.
std::optional<StreamProtocol> protocol_of(std::string_view word) {
  const std::string_view first = first_bytes(word, find_byte(word, ':'));
  for (std::uint8_t i = 0; i < std::size(kProtocolNames); ++i) {
    if (first == kProtocolNames[i] && first.size() < word.size()) {
      return static_cast<StreamProtocol>(i);
    }
  }
  return std::nullopt;
}

// Postfix closes idle connections itself, policy's after 300 s; ours last longer.
StreamServerLimits stream_limits() {
  StreamServerLimits limits;
  limits.max_clients = StreamService::kMaxClients;
  limits.stream.max_input = policy::kMaxRequest;
  limits.stream.idle_us = 1000 * kSecondUs;
  limits.stream.message_us = 100 * kSecondUs;
  limits.stream.drain_us = 100 * kSecondUs;
  return limits;
}

// RFC 3463: 5.1.1 bad mailbox, 5.1.3 bad syntax, 5.2.1 mailbox disabled; a 550 for each, as
// everywhere.
std::string_view enhanced_code(Why why) {
  if (why == Why::syntax || why == Why::too_long) return "5.1.3 ";
  return why == Why::disabled ? "5.2.1 " : "5.1.1 ";
}

// One request, whatever its protocol.  The views live as long as the input and `decoded`.
struct Question {
  Asked asked;
  // Nothing is to be decided: it is not about a recipient.
  bool is_other = false;
  std::string decoded;
};

Frame take_policy(std::string_view input, policy::RequestScanner& scanner, Question& question,
                  std::size_t& size) {
  const Frame frame = scanner.scan(input);
  if (frame != Frame::whole) return frame;
  size = scanner.size();
  scanner.reset();
  policy::Request request;
  if (!policy::parse_request(first_bytes(input, size), request)) return Frame::malformed;
  question.asked.address = request.recipient;
  question.asked.client = request.client_address;
  question.asked.helo = request.helo_name;
  question.asked.sender = request.sender;
  // At END-OF-MESSAGE and DATA each recipient has been judged already.
  question.is_other = request.request != "smtpd_access_policy" || request.recipient.empty() ||
                      (!request.protocol_state.empty() && request.protocol_state != "RCPT");
  return Frame::whole;
}

Frame take_key(StreamProtocol protocol, std::string_view input, Question& question,
               std::size_t& size) {
  Frame frame = Frame::malformed;
  if (protocol == StreamProtocol::tcp_table) {
    frame = tcp_table::parse_request(input, question.decoded, size);
    question.asked.address = question.decoded;
  } else {
    socketmap::Request request;
    frame = socketmap::parse_request(input, request, size);
    question.asked.address = request.key;
  }
  // Postfix asks for `@domain` when an address is not there: that is no recipient.
  question.is_other = starts_with(question.asked.address, "@");
  return frame;
}

}  // namespace

ListenKind listen_kind(std::string_view word) {
  return protocol_of(word) ? ListenKind::stream : ListenKind::datagram;
}

Result<StreamEntry> parse_stream_entry(std::string_view word) {
  StreamEntry entry;
  entry.protocol = protocol_of(word).value_or(StreamProtocol::policy);
  static_cast<void>(take_until(word, ':'));
  QV_TRY(entry.address, parse_stream_address(word));
  return entry;
}

void append_answer(std::string& out, StreamProtocol protocol, std::string_view key,
                   const Decision& decision) {
  const Verdict verdict = decision.verdict();
  const std::string_view text = decision.reply_text();
  const bool accepts = verdict == Verdict::accept;
  const bool refuses = verdict == Verdict::reject;
  switch (protocol) {
    case StreamProtocol::policy: {
      std::string action = accepts ? "DUNNO" : refuses ? "550 " : "DEFER_IF_PERMIT 4.3.0 ";
      if (refuses) action += enhanced_code(decision.why);
      return policy::append_reply(out, action.append(text));
    }
    case StreamProtocol::socketmap: {
      using socketmap::Status;
      const Status status = accepts ? Status::ok : refuses ? Status::not_found : Status::temporary;
      const std::string_view said = accepts ? key : refuses ? std::string_view() : text;
      return socketmap::append_reply(out, {status, said});
    }
    case StreamProtocol::tcp_table: {
      using tcp_table::Status;
      const Status status = accepts ? Status::found : refuses ? Status::not_found : Status::retry;
      return tcp_table::append_reply(out, status, accepts ? key : text);
    }
  }
}

class StreamService::Session final : public StreamSession {
 public:
  Session(StreamService& service, Stream& stream, StreamProtocol protocol)
      : service_(service), stream_(stream), protocol_(protocol) {}

  std::size_t on_input(Stream& stream, std::string_view input) override {
    Question question;
    std::size_t size = 0;
    const Frame frame = protocol_ == StreamProtocol::policy
                            ? take_policy(input, scanner_, question, size)
                            : take_key(protocol_, input, question, size);
    switch (frame) {
      case Frame::partial:
        return 0;
      case Frame::malformed:
        complain();
        stream.close();
        return input.size();
      case Frame::whole:
        ask(question);
        return size;
    }
    return input.size();
  }

 private:
  void ask(Question& question) {
    const Asked& asked = question.asked;
    if (question.is_other) return answer_other(asked.address);
    ++service_.verifier_.counters().stream;
    const std::int64_t now = service_.loop_.now_us();
    question.asked.at_us = now;
    service_.verifier_.refresh(now);
    const Decision decision = service_.verifier_.decide(asked.address, now);
    if (!decision.pending) return answer(asked, decision);
    const auto copy = [](std::string_view text) { return std::string(text); };
    // The query outlives a client that goes meanwhile.
    auto done = [session = std::weak_ptr<Session*>(self_), address = copy(asked.address),
                 client = copy(asked.client), helo = copy(asked.helo), sender = copy(asked.sender),
                 now](const Decision& late) {
      const std::shared_ptr<Session*> here = session.lock();
      if (here == nullptr) return;
      (*here)->answer({address, client, helo, sender, {}, now}, late);
      (*here)->stream_.resume();
    };
    if (service_.verifier_.park(decision, {copy(asked.address), now, std::move(done)}) ==
        Verifier::Parked::no_room) {
      return answer(asked, decided_without_looking(Why::timeout));
    }
    stream_.pause();
  }

  // A policy client may go on; a table does not have it.
  void answer_other(std::string_view key) {
    ++service_.verifier_.counters().other;
    Why why = protocol_ == StreamProtocol::policy ? Why::relay : Why::unknown_user;
    write(key, decided_without_looking(why));
  }

  void answer(Asked asked, const Decision& decision) {
    asked.via = protocol_name(protocol_);
    service_.verifier_.record(asked, decision);
    write(asked.address, decision);
    service_.log_.flush();
  }

  void write(std::string_view key, const Decision& decision) {
    std::string out;
    append_answer(out, protocol_, key, decision);
    stream_.write(out);
  }

  void complain() {
    ++service_.verifier_.counters().malformed;
    LogLine line("stream");
    service_.log_.write(line.add("event", "malformed").add("via", protocol_name(protocol_)));
    service_.log_.flush();
  }

  StreamService& service_;
  Stream& stream_;
  StreamProtocol protocol_;
  policy::RequestScanner scanner_;
  std::shared_ptr<Session*> self_ = std::make_shared<Session*>(this);  // for a parked query
};

StreamService::StreamService(Loop& loop, Verifier& verifier, LogWriter& log)
    : loop_(loop), verifier_(verifier), log_(log), server_(loop, stream_limits()) {
  server_.on_trouble([this](std::string_view what) {
    LogLine line("stream");
    log_.write(line.add("event", "trouble").add("problem", what));
    log_.flush();
  });
}

void StreamService::serve(Fd listener, StreamProtocol protocol) {
  server_.serve(std::move(listener), [this, protocol](Stream& stream) {
    return std::make_unique<Session>(*this, stream, protocol);
  });
}

}  // namespace qv
