// SPDX-License-Identifier: 0BSD
#include "verify/stream_service.h"

#include <memory>
#include <utility>

#include "core/text.h"
#include "wire/policy.h"
#include "wire/socketmap.h"
#include "wire/tcp_table.h"

namespace qv {

namespace {

constexpr std::int64_t kSecondUs = 1000000;

constexpr std::string_view protocol_name(StreamProtocol protocol) {
  switch (protocol) {
    case StreamProtocol::policy:
      return "policy";
    case StreamProtocol::socketmap:
      return "socketmap";
    case StreamProtocol::tcp_table:
      return "tcp_table";
  }
  return "policy";
}

constexpr StreamProtocol kProtocols[] = {StreamProtocol::policy, StreamProtocol::socketmap,
                                         StreamProtocol::tcp_table};

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

void append_policy(std::string& out, const Decision& decision) {
  const std::string text(decision.reply_text());
  switch (decision.verdict()) {
    case Verdict::accept:
      return policy::append_reply(out, "DUNNO");
    case Verdict::reject:
      return policy::append_reply(out, "550 " + std::string(enhanced_code(decision.why)) + text);
    case Verdict::defer:
      return policy::append_reply(out, "DEFER_IF_PERMIT 4.3.0 " + text);
  }
}

void append_socketmap(std::string& out, std::string_view key, const Decision& decision) {
  switch (decision.verdict()) {
    case Verdict::accept:
      return socketmap::append_reply(out, {socketmap::Status::ok, key});
    case Verdict::reject:
      return socketmap::append_reply(out, {socketmap::Status::not_found, ""});
    case Verdict::defer:
      return socketmap::append_reply(out, {socketmap::Status::temporary, decision.reply_text()});
  }
}

void append_tcp_table(std::string& out, std::string_view key, const Decision& decision) {
  switch (decision.verdict()) {
    case Verdict::accept:
      return tcp_table::append_reply(out, tcp_table::Status::found, key);
    case Verdict::reject:
      return tcp_table::append_reply(out, tcp_table::Status::not_found, decision.reply_text());
    case Verdict::defer:
      return tcp_table::append_reply(out, tcp_table::Status::retry, decision.reply_text());
  }
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
  for (const StreamProtocol protocol : kProtocols) {
    if (starts_with(word, std::string(protocol_name(protocol)) + ":")) return ListenKind::stream;
  }
  return ListenKind::datagram;
}

Result<StreamEntry> parse_stream_entry(std::string_view word) {
  const std::string_view name = take_until(word, ':');
  StreamEntry entry;
  for (const StreamProtocol protocol : kProtocols) {
    if (protocol_name(protocol) == name) entry.protocol = protocol;
  }
  QV_TRY(entry.address, parse_stream_address(word));
  return entry;
}

void append_answer(std::string& out, StreamProtocol protocol, std::string_view key,
                   const Decision& decision) {
  switch (protocol) {
    case StreamProtocol::policy:
      return append_policy(out, decision);
    case StreamProtocol::socketmap:
      return append_socketmap(out, key, decision);
    case StreamProtocol::tcp_table:
      return append_tcp_table(out, key, decision);
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
    if (service_.verifier_.park(decision, to_park(asked)) == Verifier::Parked::no_room) {
      return answer(asked, decided_without_looking(Why::timeout));
    }
    stream_.pause();
  }

  // It outlives a client that has gone.
  ParkedQuery to_park(const Asked& asked) {
    const auto copy = [](std::string_view text) { return std::string(text); };
    return {copy(asked.address), asked.at_us,
            [session = std::weak_ptr<Session*>(self_), address = copy(asked.address),
             client = copy(asked.client), helo = copy(asked.helo), sender = copy(asked.sender),
             at_us = asked.at_us](const Decision& decision) {
              const std::shared_ptr<Session*> here = session.lock();
              if (here == nullptr) return;
              (*here)->answer({address, client, helo, sender, {}, at_us}, decision);
              (*here)->stream_.resume();
            }};
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
