// SPDX-License-Identifier: 0BSD
#include "wire/smtp_reply.h"

#include "core/text.h"

namespace qv {

namespace {

// At most three digits, not followed by another one.
bool take_number(std::string_view& rest, std::uint16_t& out) {
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  std::uint64_t value = 0;
  if (digits > 3 || !parse_decimal(first_bytes(rest, digits), 999, value)) return false;
  rest = after_bytes(rest, digits);
  out = static_cast<std::uint16_t>(value);
  return true;
}

bool take_dot(std::string_view& rest) {
  if (rest.empty() || rest.front() != '.') return false;
  rest.remove_prefix(1);
  return true;
}

// Length of the enhanced code at the front with the blank after it; 0 where there is none.
std::size_t enhanced_length(std::string_view line) {
  if (!parse_enhanced_code(line)) return 0;
  const std::size_t blank = find_byte(line, ' ');
  return blank == line.size() ? blank : blank + 1;
}

}  // namespace

std::optional<EnhancedCode> parse_enhanced_code(std::string_view line) {
  std::string_view rest = line;
  EnhancedCode code;
  if (!take_number(rest, code.of_class) || !take_dot(rest) || !take_number(rest, code.subject) ||
      !take_dot(rest) || !take_number(rest, code.detail)) {
    return std::nullopt;
  }
  if (!rest.empty() && rest.front() != ' ') return std::nullopt;
  if (code.of_class != 2 && code.of_class != 4 && code.of_class != 5) return std::nullopt;
  return code;
}

std::string reply_text(const SmtpReply& reply) {
  std::string out = std::to_string(reply.code);
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    std::string_view line = reply.lines[i];
    if (i > 0 && reply.enhanced && parse_enhanced_code(line) == reply.enhanced) {
      line = after_bytes(line, enhanced_length(line));
    }
    line = trim_blanks(line);
    if (line.empty()) continue;
    out += ' ';
    out += line;
  }
  return out;
}

Frame SmtpReplyDecoder::take(std::string_view& bytes) {
  if (state_ == Frame::malformed) return state_;
  if (state_ == Frame::whole) {
    reply_ = {};
    state_ = Frame::partial;
  }
  while (state_ == Frame::partial && !bytes.empty()) {
    const std::size_t end = find_byte(bytes, '\n');
    const std::string_view piece = first_bytes(bytes, end);
    // One byte more than the line: the CR.
    if (line_.size() + piece.size() > kMaxLine + 1) return state_ = Frame::malformed;
    line_ += piece;
    const bool ended = end < bytes.size();
    bytes = after_bytes(bytes, end + 1);
    if (ended) state_ = end_line();
  }
  return state_;
}

Frame SmtpReplyDecoder::end_line() {
  std::string line = std::move(line_);
  line_.clear();
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::uint64_t code = 0;
  if (line.size() > kMaxLine || !parse_decimal(first_bytes(line, 3), 599, code) || code < 200) {
    return Frame::malformed;
  }
  const char separator = line.size() > 3 ? line[3] : ' ';
  if (separator != ' ' && separator != '-') return Frame::malformed;
  if (!reply_.lines.empty() && reply_.code != static_cast<int>(code)) return Frame::malformed;
  if (reply_.lines.size() == kMaxLines) return Frame::malformed;
  for (char& c : line) {
    if (!is_printable(c)) c = '?';
  }
  const std::string_view text = after_bytes(line, 4);
  if (reply_.lines.empty()) {
    reply_.code = static_cast<int>(code);
    reply_.enhanced = parse_enhanced_code(text);
  }
  reply_.lines.emplace_back(text);
  return separator == '-' ? Frame::partial : Frame::whole;
}

}  // namespace qv
