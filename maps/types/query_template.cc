// SPDX-License-Identifier: 0BSD
#include "maps/types/query_template.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "maps/spec.h"

namespace qv {

namespace {

constexpr std::size_t kMaxJoined = std::size_t{1} << 20;  // bytes of all values together

// Label number `n` of a domain, counted from its end, from 1; empty where it has fewer.
std::string_view label(std::string_view domain, int n) {
  for (; n > 1 && !domain.empty(); --n) {
    const std::size_t dot = find_last_byte(domain, '.');
    domain = dot == domain.size() ? std::string_view{} : first_bytes(domain, dot);
  }
  const std::size_t dot = find_last_byte(domain, '.');
  return dot == domain.size() ? domain : after_bytes(domain, dot + 1);
}

std::string_view part_of(std::string_view text, char spec) {
  const AddressParts parts = split_address(text);
  switch (spec) {
    case 's':
    case 'S':
      return text;
    case 'u':
    case 'U':
      return parts.local;
    case 'd':
    case 'D':
      return parts.domain;
    default:
      return label(parts.domain, spec - '0');
  }
}

bool is_spec(char c) {
  return std::string_view("sudSUD123456789").find(c) != std::string_view::npos;
}

// Length of the UTF-8 character that begins `s`, or 0 where none does (RFC 3629).
std::size_t utf8_length(std::string_view s) {
  const auto byte = [&](std::size_t i) {
    return i < s.size() ? static_cast<unsigned>(static_cast<unsigned char>(s[i])) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool too_large = first == 0xf4 && byte(1) >= 0x90;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_utf8(std::string_view s) {
  while (!s.empty()) {
    const std::size_t length = utf8_length(s);
    if (length == 0) return false;
    s.remove_prefix(length);
  }
  return true;
}

void quote_nothing(std::string_view part, std::string& out) { out += part; }

bool Template::parse(std::string_view text, Template& out, std::string& wrong) {
  out.pieces_.clear();
  Piece piece;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      piece.text += text[i];
      continue;
    }
    const char next = i + 1 < text.size() ? text[++i] : '\0';
    if (next == '%') {
      piece.text += '%';
      continue;
    }
    if (!is_spec(next)) {
      wrong = "a % that is followed neither by one of s u d S U D 1 to 9 nor by another %";
      return false;
    }
    piece.spec = next;
    out.pieces_.push_back(std::exchange(piece, Piece{}));
  }
  out.pieces_.push_back(std::move(piece));
  return true;
}

Answer Template::expand(std::string_view lower, std::string_view upper, Quote quote,
                        std::string& out) const {
  for (const Piece& piece : pieces_) {
    out += piece.text;
    if (piece.spec == '\0') continue;
    const bool of_lower = piece.spec >= 'a' && piece.spec <= 'z';
    const std::string_view part = part_of(of_lower ? lower : upper, piece.spec);
    if (part.empty()) return Answer::absent;
    quote(part, out);
  }
  return Answer::found;
}

bool Template::has_expansions() const {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [](const Piece& piece) { return piece.spec != '\0'; });
}

QueryRules::QueryRules(QueryConfig& config) {
  std::string wrong;
  if (!Template::parse(config.text("result_format", "%s"), result_format_, wrong)) {
    config.note("result_format: " + wrong);
  }
  limit_ = config.number("expansion_limit", 0, 0, 1'000'000);
  domains_ = config.list("domain");
  for (const std::string& domain : domains_) {
    if (domain.find_first_of(":/{") == std::string::npos) continue;
    config.note("domain: " + domain + ": only names of domains can stand here");
  }
}

bool QueryRules::wants(std::string_view key, bool text_only) const {
  if (key.empty()) return false;
  if (text_only && (key.find('\0') != std::string_view::npos || !is_utf8(key))) return false;
  if (domains_.empty()) return true;
  const AddressParts parts = split_address(key);
  if (!parts.has_domain || parts.local.empty()) return false;
  return std::any_of(domains_.begin(), domains_.end(), [&](const std::string& domain) {
    return equal_ignoring_case(domain, parts.domain);
  });
}

Result<void> QueryRules::add(std::string_view key, std::string_view value, std::string& joined,
                             std::uint64_t& count) const {
  if (value.empty()) return {};
  std::string one;
  if (result_format_.expand(value, key, quote_nothing, one) == Answer::absent) return {};
  if (limit_ != 0 && count >= limit_) return Error{Fault::retry, 0, "more than expansion_limit"};
  if (joined.size() + one.size() > kMaxJoined) return Error{Fault::retry, 0, "result too long"};
  if (count++ > 0) joined += ',';
  joined += one;
  return {};
}

}  // namespace qv
