// SPDX-License-Identifier: 0BSD
#include "wire/lmtp_path.h"

#include "core/text.h"
#include "wire/lmtp.h"

namespace qv::lmtp {

namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < ' ' || byte == 127;
}

// "@a,@b:" in front is passed over.
bool skip_route(std::string_view& s) {
  if (!starts_with(s, "@")) return true;
  const std::size_t colon = find_byte(s, ':');
  const std::size_t end = find_byte(s, '>');
  if (colon >= end) return false;
  s = after_bytes(s, colon + 1);
  return true;
}

// A quoted string in front, its quotes and backslashes taken off.
bool take_quoted(std::string_view& s, std::string& out) {
  s.remove_prefix(1);
  while (!s.empty() && s.front() != '"') {
    if (s.front() == '\\') s.remove_prefix(1);
    if (s.empty() || is_control(s.front())) return false;
    out += s.front();
    s.remove_prefix(1);
  }
  if (s.empty()) return false;
  s.remove_prefix(1);
  return true;
}

// Up to one of `ends`; no blanks, no quotes, no brackets of a path.
bool take_plain(std::string_view& s, std::string_view ends, std::string& out) {
  while (!s.empty() && ends.find(s.front()) == std::string_view::npos) {
    const char c = s.front();
    if (is_control(c) || is_blank(c) || c == '<' || c == '"' || c == '\\') return false;
    out += c;
    s.remove_prefix(1);
  }
  return !s.empty();
}

}  // namespace

bool parse_path(std::string_view& rest, std::string& address) {
  std::string_view s = rest;
  std::string out;
  if (!starts_with(s, "<")) return false;
  s.remove_prefix(1);
  if (!skip_route(s)) return false;
  if (starts_with(s, "\"")) {
    if (!take_quoted(s, out)) return false;
  } else if (!take_plain(s, "@>", out)) {
    return false;
  }
  if (starts_with(s, "@")) {
    s.remove_prefix(1);
    std::string domain;
    if (out.empty() || !take_plain(s, "@>", domain) || domain.empty()) return false;
    out += "@" + domain;
  }
  if (!starts_with(s, ">") || out.size() > kMaxAddress) return false;
  s.remove_prefix(1);
  if (!s.empty() && !is_blank(s.front())) return false;
  rest = trim_blanks(s);
  address = std::move(out);
  return true;
}

}  // namespace qv::lmtp
