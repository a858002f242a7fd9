// SPDX-License-Identifier: 0BSD
#include "wire/smtp_reply.h"

#include <utility>

#include "core/text.h"

namespace qv::wire {

namespace {

// At most three digits.
bool parse_part(std::string_view digits, std::uint16_t& out) {
  std::uint64_t value = 0;
  if (digits.size() > 3 || !parse_decimal(digits, 999, value)) return false;
  out = static_cast<std::uint16_t>(value);
  return true;
}

}  // namespace

std::optional<EnhancedCode> parse_enhanced_code(std::string_view line) {
  std::string_view rest = first_bytes(line, find_byte(line, ' '));
  const std::string_view of_class = take_until(rest, '.');
  const std::string_view subject = take_until(rest, '.');
  EnhancedCode code;
  if (!parse_part(of_class, code.of_class) || !parse_part(subject, code.subject) ||
      !parse_part(rest, code.detail)) {
    return std::nullopt;
  }
  if (code.of_class != 2 && code.of_class != 4 && code.of_class != 5) return std::nullopt;
  return code;
}

std::string reply_text(const SmtpReply& reply) {
  std::string out = std::to_string(reply.code);
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    std::string_view line = reply.lines[i];
    if (i > 0 && reply.enhanced && parse_enhanced_code(line) == reply.enhanced) {
      line = after_bytes(line, find_byte(line, ' '));
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
  std::string line = std::exchange(line_, {});
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

}  // namespace qv::wire
