// SPDX-License-Identifier: 0BSD
#include "wire/tcp_table.h"

#include "core/text.h"

namespace qv::tcp_table {

namespace {

constexpr std::size_t kCode = 4;  // "200 "

bool needs_encoding(char c) { return c <= ' ' || c > '~' || c == '%'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = ascii_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void append_encoded(std::string& out, char c) {
  constexpr char kHex[] = "0123456789ABCDEF";
  if (!needs_encoding(c)) {
    out.push_back(c);
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  out.push_back('%');
  out.push_back(kHex[byte >> 4]);
  out.push_back(kHex[byte & 15]);
}

// One line at the start of `bytes`, without newline and CR.
Frame take_line(std::string_view bytes, std::string_view& line, std::size_t& size) {
  const std::string_view seen = first_bytes(bytes, kMaxLine + 2);
  const std::size_t end = find_byte(seen, '\n');
  if (end == seen.size()) return seen.size() > kMaxLine + 1 ? Frame::malformed : Frame::partial;
  line = first_bytes(seen, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  size = end + 1;
  return line.size() > kMaxLine ? Frame::malformed : Frame::whole;
}

const char* code_of(Status status) {
  switch (status) {
    case Status::found:
      return "200 ";
    case Status::not_found:
      return "500 ";
    case Status::retry:
      return "400 ";
  }
  return "400 ";
}

}  // namespace

std::string encode(std::string_view text) {
  std::string out;
  for (const char c : text) append_encoded(out, c);
  return out;
}

bool decode(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return false;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

Frame parse_request(std::string_view bytes, std::string& key, std::size_t& size) {
  std::string_view line;
  const Frame frame = take_line(bytes, line, size);
  if (frame != Frame::whole) return frame;
  if (!starts_with(line, "get ")) return Frame::malformed;
  return decode(after_bytes(line, 4), key) ? Frame::whole : Frame::malformed;
}

bool append_request(std::string& out, std::string_view key) {
  const std::string encoded = encode(key);
  if (encoded.size() + 4 > kMaxLine) return false;
  out.append("get ").append(encoded).push_back('\n');
  return true;
}

Frame parse_reply(std::string_view bytes, Reply& reply, std::size_t& size) {
  std::string_view line;
  const Frame frame = take_line(bytes, line, size);
  if (frame != Frame::whole) return frame;
  for (const Status status : {Status::found, Status::not_found, Status::retry}) {
    if (!starts_with(line, code_of(status))) continue;
    reply.status = status;
    std::string_view text = after_bytes(line, kCode);
    if (decode(text, reply.text)) return Frame::whole;
    // A value must be what was meant; a reason for not having one may be written carelessly.
    if (status == Status::found) return Frame::malformed;
    reply.text.assign(text);
    return Frame::whole;
  }
  return Frame::malformed;
}

void append_reply(std::string& out, Status status, std::string_view text) {
  std::string line = code_of(status);
  for (const char c : text) {
    const std::size_t before = line.size();
    append_encoded(line, c);
    if (line.size() <= kMaxLine) continue;
    line.resize(before);
    if (status == Status::found) line = "400 value%20is%20too%20long";
    break;
  }
  out.append(line).push_back('\n');
}

}  // namespace qv::tcp_table
