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
  for (;; --n) {
    const std::size_t dot = find_last_byte(domain, '.');
    if (dot == domain.size()) return n == 1 ? domain : std::string_view{};
    if (n == 1) return after_bytes(domain, dot + 1);
    domain = first_bytes(domain, dot);
  }
}

std::string_view part_of(std::string_view text, char spec) {
  const AddressParts parts = split_address(text);
  switch (ascii_lower(spec)) {
    case 's':
      return text;
    case 'u':
      return parts.local;
    case 'd':
      return parts.domain;
    default:
      return label(parts.domain, spec - '0');
  }
}

// The well-formed characters of RFC 3629, section 4: the ranges of the first and the second byte.
// All further bytes are 0x80 to 0xbf.
struct Utf8Row {
  unsigned char first_low, first_high, second_low, second_high;
  std::size_t length;
};
constexpr Utf8Row kUtf8[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

}  // namespace

bool is_utf8(std::string_view s) {
  while (!s.empty()) {
    const auto is_in = [&s](std::size_t i, unsigned char low, unsigned char high) {
      const auto byte = static_cast<unsigned char>(s[i]);
      return byte >= low && byte <= high;
    };
    const auto* row = std::find_if(std::begin(kUtf8), std::end(kUtf8), [&](const Utf8Row& r) {
      return is_in(0, r.first_low, r.first_high);
    });
    if (row == std::end(kUtf8) || s.size() < row->length) return false;
    if (row->length > 1 && !is_in(1, row->second_low, row->second_high)) return false;
    for (std::size_t i = 2; i < row->length; ++i) {
      if (!is_in(i, 0x80, 0xbf)) return false;
    }
    s.remove_prefix(row->length);
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
    if (std::string_view("sudSUD123456789").find(next) == std::string_view::npos) {
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

Template Template::read(QueryConfig& config, const std::string& name, std::string_view fallback) {
  Template out;
  std::string wrong;
  if (!parse(config.text(name, fallback), out, wrong)) config.add_problem(name + ": " + wrong);
  return out;
}

QueryRules::QueryRules(QueryConfig& config)
    : result_format(Template::read(config, "result_format", "%s")),
      limit(config.number("expansion_limit", 0, 0, 1'000'000)),
      domains(config.list("domain")) {
  for (const std::string& domain : domains) {
    if (domain.find_first_of(":/{") == std::string::npos) continue;
    config.add_problem("domain: " + domain + ": only names of domains can stand here");
  }
}

bool QueryRules::wants(std::string_view key) const {
  if (key.empty()) return false;
  if (text_only && (key.find('\0') != std::string_view::npos || !is_utf8(key))) return false;
  if (domains.empty()) return true;
  const AddressParts parts = split_address(key);
  if (!parts.has_domain || parts.local.empty()) return false;
  return std::any_of(domains.begin(), domains.end(), [&](const std::string& domain) {
    return equal_ignoring_case(domain, parts.domain);
  });
}

Result<void> Results::add(std::string_view value) {
  if (value.empty()) return {};
  std::string one;
  if (rules_.result_format.expand(value, key_, quote_nothing, one) == Answer::absent) return {};
  if (rules_.limit != 0 && count_ >= rules_.limit) {
    return Error{Fault::retry, 0, "more than expansion_limit"};
  }
  if (joined_.size() + one.size() > kMaxJoined) return Error{Fault::retry, 0, "result too long"};
  if (count_++ > 0) joined_ += ',';
  joined_ += one;
  return {};
}

Answer Results::take(std::string& value) {
  if (count_ == 0) return Answer::absent;
  value = std::move(joined_);
  return Answer::found;
}

}  // namespace qv
