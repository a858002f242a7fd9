// SPDX-License-Identifier: 0BSD
#include "wire/smtp_address.h"

#include <algorithm>
#include <utility>

#include "core/text.h"

namespace qv::wire {

namespace {

bool is_high(char c) { return static_cast<unsigned char>(c) > 0x7f; }

// RFC 5322 atext, and what RFC 6532 adds.
bool is_atext(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-/=?^_`{|}~";
  return is_letter_or_digit(c) || is_high(c) || find_byte(kOthers, c) < kOthers.size();
}

bool is_dot_string(std::string_view local) {
  bool after_dot = true;
  for (const char c : local) {
    if (c == '.' ? after_dot : !is_atext(c)) return false;
    after_dot = c == '.';
  }
  return !after_dot;
}

bool is_domain(std::string_view domain) {
  if (domain.empty()) return false;
  const bool literal = domain.front() == '[';
  if (literal != (domain.back() == ']')) return false;
  if (literal) domain = first_bytes(after_bytes(domain, 1), domain.size() - 2);
  for (const char c : domain) {
    const bool in_name = is_letter_or_digit(c) || is_high(c) || c == '.' || c == '-' || c == '_';
    if (!in_name && !(literal && c == ':')) return false;
  }
  return !domain.empty();
}

std::optional<std::string> quoted(std::string_view local) {
  std::string out = "\"";
  for (const char c : local) {
    if (!is_printable(c) && !is_high(c)) return std::nullopt;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
  return out;
}

bool consume(std::string_view& s, char c) {
  if (s.empty() || s.front() != c) return false;
  s.remove_prefix(1);
  return true;
}

// "@a,@b:".
bool skip_route(std::string_view& s) {
  if (!starts_with(s, "@")) return true;
  const std::size_t colon = find_byte(s, ':');
  if (colon >= find_byte(s, '>')) return false;
  s = after_bytes(s, colon + 1);
  return true;
}

// A quoted string behind its first quote, without quotes and backslashes.
bool parse_quoted(std::string_view& s, std::string& out) {
  while (!consume(s, '"')) {
    consume(s, '\\');
    if (s.empty() || !(is_printable(s.front()) || is_high(s.front()))) return false;
    out += s.front();
    s.remove_prefix(1);
  }
  return true;
}

// Up to '@' or '>'.
bool parse_plain(std::string_view& s, std::string& out) {
  for (; !s.empty() && s.front() != '@' && s.front() != '>'; s.remove_prefix(1)) {
    const char c = s.front();
    const bool is_visible = (is_printable(c) && c != ' ') || is_high(c);
    if (!is_visible || c == '<' || c == '"' || c == '\\') return false;
    out += c;
  }
  return !s.empty();
}

}  // namespace

std::optional<std::string> smtp_mailbox(std::string_view address) {
  const std::size_t at = find_last_byte(address, '@');
  if (at == 0 || at == address.size()) return std::nullopt;
  const std::string_view local = first_bytes(address, at);
  const std::string_view domain = after_bytes(address, at + 1);
  if (!is_domain(domain)) return std::nullopt;
  std::optional<std::string> out =
      is_dot_string(local) ? std::optional(std::string(local)) : quoted(local);
  if (!out) return out;
  *out += '@';
  *out += domain;
  return out;
}

bool parse_smtp_path(std::string_view& rest, std::string& address) {
  std::string_view s = rest;
  std::string out;
  if (!consume(s, '<') || !skip_route(s)) return false;
  if (consume(s, '"') ? !parse_quoted(s, out) : !parse_plain(s, out)) return false;
  if (consume(s, '@')) {
    std::string domain;
    if (out.empty() || !parse_plain(s, domain) || domain.empty()) return false;
    out += "@" + domain;
  }
  if (!consume(s, '>') || out.size() > kMaxSmtpPath) return false;
  if (!s.empty() && !is_blank(s.front())) return false;
  rest = trim_blanks(s);
  address = std::move(out);
  return true;
}

bool needs_smtputf8(std::string_view address) {
  return std::any_of(address.begin(), address.end(), is_high);
}

}  // namespace qv::wire
