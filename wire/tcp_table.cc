// SPDX-License-Identifier: 0BSD
#include "wire/tcp_table.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "core/text.h"

namespace qv::wire::tcp_table {

namespace {

bool needs_encoding(char c) { return c <= ' ' || c > '~' || c == '%'; }

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

// Finds a line at the start of `bytes`; `line` is without newline and CR.
Frame parse_line(std::string_view bytes, std::string_view& line, std::size_t& size) {
  const std::string_view seen = first_bytes(bytes, kMaxLine + 2);
  const std::size_t end = find_byte(seen, '\n');
  if (end == seen.size()) return seen.size() > kMaxLine + 1 ? Frame::malformed : Frame::partial;
  line = first_bytes(seen, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  size = end + 1;
  return line.size() > kMaxLine ? Frame::malformed : Frame::whole;
}

// In the order of the enumerators.
constexpr std::string_view kCodes[] = {"200 ", "500 ", "400 "};

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
    const char* const digits = text.data() + i + 1;
    unsigned char byte = 0;
    if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return false;
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return true;
}

Frame parse_request(std::string_view bytes, std::string& key, std::size_t& size) {
  std::string_view line;
  const Frame frame = parse_line(bytes, line, size);
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
  const Frame frame = parse_line(bytes, line, size);
  if (frame != Frame::whole) return frame;
  const auto* const code = std::find(std::begin(kCodes), std::end(kCodes), first_bytes(line, 4));
  if (code == std::end(kCodes)) return Frame::malformed;
  reply.status = static_cast<Status>(code - kCodes);
  const std::string_view text = after_bytes(line, 4);
  if (decode(text, reply.text)) return Frame::whole;
  // A value must be exact; the reason of a failure may be encoded carelessly.
  if (reply.status == Status::found) return Frame::malformed;
  reply.text.assign(text);
  return Frame::whole;
}

void append_reply(std::string& out, Status status, std::string_view text) {
  std::string line(kCodes[static_cast<std::size_t>(status)]);
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

}  // namespace qv::wire::tcp_table
