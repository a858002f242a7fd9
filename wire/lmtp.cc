// SPDX-License-Identifier: 0BSD
#include "wire/lmtp.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/text.h"
#include "wire/smtp_address.h"

namespace qv::wire::lmtp {

namespace {

constexpr Reply kTooBig{552, "5.3.4", "message is too big"};
constexpr Reply kNoMail{503, "5.5.1", "MAIL first"};
constexpr Reply kNoRcpt{503, "5.5.1", "RCPT first"};
constexpr Reply kBadSyntax{501, "5.5.4", "syntax error in parameters"};

// Consumes "FROM:" or "TO:" and the blanks behind it.
bool consume_keyword(std::string_view& rest, std::string_view keyword) {
  if (!equal_ignoring_case(first_bytes(rest, keyword.size()), keyword)) return false;
  rest = trim_blanks(after_bytes(rest, keyword.size()));
  return true;
}

// Of the control characters only TAB belongs in a command.
bool is_text(std::string_view line) {
  return std::none_of(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 127;
  });
}

// Appends "code enhanced text\r\n".
Event append_reply(const Reply& reply, std::string& out) {
  out += std::to_string(reply.code);
  out += ' ';
  if (!reply.enhanced.empty()) (out += reply.enhanced) += ' ';
  (out += reply.text) += "\r\n";
  return Event::more;
}

}  // namespace

void BodyDecoder::start(Form form) {
  state_ = after_line_ = form == Form::data ? State::line_start : State::text;
}

void BodyDecoder::finish(std::string& out) {
  if (state_ == State::cr) out += '\r';
  state_ = after_line_;
}

bool BodyDecoder::decode(std::string_view& input, std::string& out) {
  while (!input.empty()) {
    const char c = input.front();
    switch (state_) {
      case State::line_start:
        state_ = c == '.' ? State::dot : State::text;
        if (c == '.') input.remove_prefix(1);
        break;
      case State::text: {
        const std::size_t run = find_byte(input, '\r');
        out += first_bytes(input, run);
        if (run < input.size()) state_ = State::cr;
        input = after_bytes(input, run + 1);
        break;
      }
      case State::cr:
        state_ = c == '\n' ? after_line_ : State::text;
        out += c == '\n' ? '\n' : '\r';
        if (c == '\n') input.remove_prefix(1);
        break;
      case State::dot:
        // The stuffed dot is dropped; the next byte is text, even a second dot.
        state_ = c == '\r' ? State::dot_cr : State::text;
        if (c != '\r') out += c;
        input.remove_prefix(1);
        break;
      case State::dot_cr:
        state_ = State::text;
        if (c == '\n') {
          input.remove_prefix(1);
          return true;
        }
        out += '\r';
        break;
    }
  }
  return false;
}

Session::Session(std::string host, const Limits& limits)
    : host_(std::move(host)), limits_(limits) {}

void Session::greet(std::string& out) const {
  append_reply({220, "", host_ + " LMTP qmail-virtual"}, out);
}

Event Session::next(std::string_view& input, std::string& out) {
  for (;;) {
    Event event = Event::more;
    switch (state_) {
      case State::command:
        if (!read_line(input, out)) return state_ == State::closed ? Event::closed : Event::more;
        event = run_command(out);
        break;
      case State::data:
        if (input.empty()) return Event::more;
        event = read_data(input);
        break;
      case State::chunk:
      case State::chunk_skip:
        if (input.empty() && chunk_left_ > 0) return Event::more;
        event = read_chunk(input, out);
        break;
      case State::asking_recipient:
      case State::asking_message:
      case State::replying:
        QV_CHECK(state_ == State::command);  // the last event was not answered
        return Event::closed;
      case State::closed:
        return Event::closed;
    }
    if (event != Event::more) return event;
  }
}

// Moves one line, without its end, to line_.  False: it is not whole yet.
bool Session::read_line(std::string_view& input, std::string& out) {
  while (!input.empty()) {
    const std::size_t end = find_byte(input, '\n');
    const std::string_view part = first_bytes(input, end);
    const bool whole = end < input.size();
    input = after_bytes(input, end + 1);
    if (!skipping_line_) line_ += first_bytes(part, kMaxLine);
    if (line_.size() > kMaxLine - 2) {
      line_.clear();
      skipping_line_ = true;
    }
    if (!whole) return false;
    if (!skipping_line_) {
      if (!line_.empty() && line_.back() == '\r') line_.pop_back();
      return true;
    }
    skipping_line_ = false;
    if (mistake({500, "5.5.2", "line is too long"}, out) == Event::closed) return false;
  }
  return false;
}

Event Session::mistake(const Reply& reply, std::string& out) {
  append_reply(reply, out);
  if (++mistakes_ < limits_.mistakes) return Event::more;
  shut_down({421, "4.7.0", "too many mistakes"}, out);
  return Event::closed;
}

void Session::shut_down(const Reply& reply, std::string& out) {
  append_reply(reply, out);
  state_ = State::closed;
}

Event Session::start_over() {
  const bool dropped = transaction_->chunks == Chunks::going_on;
  transaction_.emplace();
  return dropped ? Event::dropped : Event::more;
}

Event Session::run_command(std::string& out) {
  const std::string line = std::exchange(line_, {});
  if (!is_text(line)) return mistake({500, "5.5.2", "command holds control characters"}, out);
  std::string_view rest = line;
  std::string verb(take_until(rest, ' '));
  std::transform(verb.begin(), verb.end(), verb.begin(), ascii_upper);
  rest = trim_blanks(rest);
  if (verb == "MAIL") return mail(rest, out);
  if (verb == "RCPT") return rcpt(rest, out);
  if (verb == "DATA" && rest.empty()) return data(out);
  if (verb == "BDAT") return bdat(rest, out);
  if (verb == "NOOP" || verb == "RSET") {
    append_reply({250, "2.0.0", "ok"}, out);
    return verb == "RSET" ? start_over() : Event::more;
  }
  if (verb == "VRFY") return append_reply({252, "2.5.2", "RCPT will tell"}, out);
  if (verb == "QUIT") {
    shut_down({221, "2.0.0", "bye"}, out);
    return Event::closed;
  }
  if (verb == "LHLO") {
    if (rest.empty()) return mistake(kBadSyntax, out);
    greeted_ = true;
    out += "250-" + host_ + "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n";
    out += "250-ENHANCEDSTATUSCODES\r\n250-SIZE " + std::to_string(limits_.message) + "\r\n";
    out += "250 CHUNKING\r\n";
    return start_over();
  }
  // RFC 2033, 4.1: HELO and EHLO must not be answered as if this were SMTP.
  if (verb == "HELO" || verb == "EHLO") return mistake({500, "5.5.1", "this is LMTP: LHLO"}, out);
  return mistake({500, "5.5.2", "unknown command"}, out);
}

bool Session::mail_parameter(std::string_view word, std::string& out) {
  std::string_view value = word;
  const std::string_view name = take_until(value, '=');
  if (equal_ignoring_case(name, "SMTPUTF8") && value.empty()) {
    transaction_->utf8 = true;
    return true;
  }
  if (equal_ignoring_case(name, "BODY") &&
      (equal_ignoring_case(value, "7BIT") || equal_ignoring_case(value, "8BITMIME"))) {
    return true;
  }
  if (equal_ignoring_case(name, "SIZE") &&
      parse_decimal(value, UINT64_MAX, transaction_->announced_size)) {
    if (limits_.message == 0 || transaction_->announced_size <= limits_.message) return true;
    append_reply(kTooBig, out);
    return false;
  }
  append_reply({555, "5.5.4", "unknown parameter"}, out);
  return false;
}

Event Session::mail(std::string_view rest, std::string& out) {
  if (!greeted_) return mistake({503, "5.5.1", "LHLO first"}, out);
  if (transaction_->has_sender) return mistake({503, "5.5.1", "MAIL was given already"}, out);
  std::string sender;
  if (!consume_keyword(rest, "FROM:") || !parse_smtp_path(rest, sender))
    return mistake(kBadSyntax, out);
  while (!rest.empty()) {
    const std::string_view word = take_until(rest, ' ');
    if (!word.empty() && !mail_parameter(word, out)) {
      transaction_.emplace();
      return Event::more;
    }
  }
  if (needs_smtputf8(sender) && !transaction_->utf8) {
    transaction_.emplace();
    return mistake({553, "5.6.7", "address needs SMTPUTF8"}, out);
  }
  transaction_->sender = std::move(sender);
  transaction_->has_sender = true;
  return append_reply({250, "2.1.0", "ok"}, out);
}

Event Session::rcpt(std::string_view rest, std::string& out) {
  if (!transaction_->has_sender) return mistake(kNoMail, out);
  if (transaction_->chunks != Chunks::none)
    return mistake({503, "5.5.1", "the message has begun"}, out);
  std::string address;
  if (!consume_keyword(rest, "TO:") || !parse_smtp_path(rest, address) || address.empty()) {
    return mistake(kBadSyntax, out);
  }
  if (!rest.empty()) return mistake({555, "5.5.4", "unknown parameter"}, out);
  if (needs_smtputf8(address) && !transaction_->utf8) {
    return mistake({553, "5.6.7", "address needs SMTPUTF8"}, out);
  }
  if (transaction_->recipients.size() >= limits_.recipients) {
    return append_reply({452, "4.5.3", "too many recipients"}, out);
  }
  transaction_->recipient = std::move(address);
  state_ = State::asking_recipient;
  return Event::recipient;
}

void Session::accept_recipient(std::string& out) {
  QV_CHECK(state_ == State::asking_recipient);
  transaction_->recipients.push_back(transaction_->recipient);
  state_ = State::command;
  append_reply({250, "2.1.5", "ok"}, out);
}

void Session::refuse_recipient(const Reply& reply, std::string& out) {
  QV_CHECK(state_ == State::asking_recipient);
  state_ = State::command;
  append_reply(reply, out);
}

Event Session::data(std::string& out) {
  if (!transaction_->has_sender) return mistake(kNoMail, out);
  if (transaction_->recipients.empty()) return mistake(kNoRcpt, out);
  if (transaction_->chunks != Chunks::none)
    return mistake({503, "5.5.1", "BDAT was used already"}, out);
  state_ = State::asking_message;
  return Event::begin;
}

void Session::accept_message(std::string& out) {
  QV_CHECK(state_ == State::asking_message);
  if (transaction_->chunks != Chunks::none) {
    decoder_.start(BodyDecoder::Form::chunks);
    state_ = State::chunk;
    return;
  }
  decoder_.start(BodyDecoder::Form::data);
  state_ = State::data;
  append_reply({354, "", "end with CRLF.CRLF"}, out);
}

void Session::refuse_message(const Reply& reply, std::string& out) {
  QV_CHECK(state_ == State::asking_message);
  append_reply(reply, out);
  if (transaction_->chunks == Chunks::none) {
    transaction_.emplace();
    state_ = State::command;
    return;
  }
  // The bytes of the chunk, which has its reply already, still arrive.
  transaction_->chunks = Chunks::failed;
  state_ = State::chunk_skip;
}

// BDAT SIZE [LAST]
Event Session::bdat(std::string_view rest, std::string& out) {
  std::uint64_t size = 0;
  const bool is_number = parse_decimal(take_until(rest, ' '), INT64_MAX, size);
  rest = trim_blanks(rest);
  if (!is_number || !(rest.empty() || equal_ignoring_case(rest, "LAST"))) {
    // How many bytes follow is unknown: chunk and commands are indistinguishable.
    shut_down({421, "5.5.4", "BDAT that cannot be read"}, out);
    return Event::closed;
  }
  chunk_left_ = size;
  chunk_last_ = !rest.empty();
  state_ = State::chunk_skip;
  if (!transaction_->has_sender) return mistake(kNoMail, out);
  if (transaction_->recipients.empty()) return mistake(kNoRcpt, out);
  if (transaction_->chunks == Chunks::failed)
    return append_reply({503, "5.5.1", "RSET first"}, out);
  if (transaction_->chunks == Chunks::going_on) {
    state_ = State::chunk;
    return Event::more;
  }
  transaction_->chunks = Chunks::going_on;
  state_ = State::asking_message;
  return Event::begin;
}

// The rest of a message that is too big is read and discarded: its reply is due at the end.
Event Session::count_body() {
  transaction_->size += transaction_->body.size();
  if (limits_.message != 0 && transaction_->size > limits_.message) transaction_->too_big = true;
  return transaction_->too_big || transaction_->body.empty() ? Event::more : Event::body;
}

Event Session::read_data(std::string_view& input) {
  transaction_->body.clear();
  if (!decoder_.decode(input, transaction_->body)) return count_body();
  // The user gets the last piece now, and the end at the next call.
  chunk_left_ = 0;
  chunk_last_ = true;
  transaction_->chunks = Chunks::going_on;
  state_ = State::chunk;
  return count_body();
}

Event Session::read_chunk(std::string_view& input, std::string& out) {
  if (chunk_left_ == 0) return end_of_chunk(out);
  std::string_view part = input;
  if (part.size() > chunk_left_) part = first_bytes(part, static_cast<std::size_t>(chunk_left_));
  input = after_bytes(input, part.size());
  chunk_left_ -= part.size();
  if (state_ == State::chunk_skip) return Event::more;
  transaction_->body.clear();
  static_cast<void>(decoder_.decode(part, transaction_->body));
  return count_body();
}

Event Session::end_of_chunk(std::string& out) {
  if (state_ == State::chunk_skip) {
    state_ = State::command;
    // A message that failed ends with its last chunk.
    if (transaction_->chunks == Chunks::failed && chunk_last_) transaction_.emplace();
    return Event::more;
  }
  if (!chunk_last_) {
    state_ = State::command;
    return append_reply({250, "2.0.0", "chunk taken"}, out);
  }
  transaction_->body.clear();
  decoder_.finish(transaction_->body);
  const Event event = count_body();
  return event == Event::more ? end_of_message(out) : event;
}

Event Session::end_of_message(std::string& out) {
  state_ = State::replying;
  if (!transaction_->too_big) return Event::end;
  const std::size_t count = transaction_->recipients.size();
  for (std::size_t i = 0; i < count; ++i) reply(kTooBig, out);
  return Event::dropped;
}

void Session::reply(const Reply& reply, std::string& out) {
  QV_CHECK(state_ == State::replying && transaction_->replied < transaction_->recipients.size());
  append_reply(reply, out);
  if (++transaction_->replied < transaction_->recipients.size()) return;
  transaction_.emplace();
  state_ = State::command;
}

}  // namespace qv::wire::lmtp
