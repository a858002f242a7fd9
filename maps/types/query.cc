// SPDX-License-Identifier: 0BSD
#include "maps/types/query.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "maps/spec.h"

namespace qv::maps {

namespace {

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

Answer Template::expand(std::string_view lower, std::string_view upper, std::string& out,
                        Quote quote) const {
  for (const Piece& piece : pieces_) {
    out += piece.text;
    if (piece.spec == '\0') continue;
    const bool of_lower = piece.spec >= 'a' && piece.spec <= 'z';
    const std::string_view part = part_of(of_lower ? lower : upper, piece.spec);
    if (part.empty()) return Answer::absent;
    if (quote != nullptr) {
      quote(part, out);
    } else {
      out += part;
    }
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

// ---- statements ---------------------------------------------------------------------------------

namespace {

bool is_word(char c) {
  const char lower = ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || is_digit(c) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// A %% in text that stays in the statement is one %; anything else behind a % is an expansion.
bool unescape(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] != '%') continue;
    if (i + 1 >= text.size() || text[i + 1] != '%') return false;
    ++i;
  }
  return true;
}

class Parser {
 public:
  Parser(std::string_view text, const SqlDialect& dialect, std::string& statement,
         std::vector<Template>& parameters, std::string& wrong)
      : text_(text), dialect_(dialect), out_(statement), parameters_(parameters), wrong_(wrong) {}

  // This and the functions that it calls: false, with the reason in `wrong`.
  bool run() {
    while (at_ < text_.size()) {
      if (!step()) return false;
    }
    return true;
  }

 private:
  bool fail(const char* wrong) {
    wrong_ = wrong;
    return false;
  }
  std::string_view rest() const { return after_bytes(text_, at_); }

  bool step() {
    const char c = text_[at_];
    if (c == '\'') return string_literal('\'');
    if (c == '"') return dialect_.double_quoted_string ? string_literal('"') : copy_to("\"", 1);
    if (c == '`') return copy_to("`", 1);
    const bool comment = starts_with(rest(), "--") || (c == '#' && dialect_.backslash_escapes);
    if (comment) return copy(find_byte(rest(), '\n') + 1);
    if (starts_with(rest(), "/*")) return copy_to("*/", 2);
    if (c == '$' && dialect_.numbered) return dollar();
    if (starts_with(rest(), "%%")) return copy(2);
    const std::string_view text = first_bytes(rest(), c == '%' ? 2 : 1);
    at_ += text.size();
    if (c == '%') return add_parameter(text);
    out_ += c;
    return true;
  }

  // Copies up to and including the next `closing`, at least `from` bytes on.
  bool copy_to(std::string_view closing, std::size_t from) {
    const std::size_t end = text_.find(closing, at_ + from);
    if (end == std::string_view::npos) return fail("a quote or comment is not closed");
    return copy(end + closing.size() - at_);
  }

  bool copy(std::size_t length) {
    if (!unescape(first_bytes(rest(), length), out_)) {
      return fail("an expansion stands in an identifier, a comment or a quoted block");
    }
    at_ += length;
    return true;
  }

  // PostgreSQL's $tag$ ... $tag$, or a $ of its own.
  bool dollar() {
    std::size_t end = 1;
    while (end < rest().size() && rest()[end] != '$' && is_word(rest()[end])) ++end;
    if (end >= rest().size() || rest()[end] != '$') return copy(1);
    return copy_to(first_bytes(rest(), end + 1), end + 1);
  }

  bool add_parameter(std::string_view text) {
    Template parameter;
    if (!Template::parse(text, parameter, wrong_)) return false;
    parameters_.push_back(std::move(parameter));
    out_ += dialect_.numbered ? "$" + std::to_string(parameters_.size()) : std::string("?");
    return true;
  }

  // Reads the literal at at_; its text without quotes and escapes becomes a parameter where it has
  // an expansion, and stays as it is where it has none.
  bool string_literal(char quote) {
    const std::size_t begin = at_;
    std::string plain;
    bool closed = false;
    for (++at_; at_ < text_.size() && !closed; ++at_) {
      const char c = text_[at_];
      const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (c == quote && next == quote) {
        plain += quote;
        ++at_;
      } else if (c == '\\' && dialect_.backslash_escapes && next != '\0') {
        plain += next;
        ++at_;
      } else if (c == quote) {
        closed = true;
      } else {
        plain += c;
      }
    }
    if (!closed) return fail("a quote is not closed");
    Template value;
    if (!Template::parse(plain, value, wrong_)) return false;
    if (!value.has_expansions()) {
      static_cast<void>(unescape(text_.substr(begin, at_ - begin), out_));
      return true;
    }
    // E'...', X'...', N'...': not the literal it seems to be.
    if (begin > 0 && is_word(text_[begin - 1])) {
      return fail("an expansion stands in a literal with a prefix");
    }
    return add_parameter(plain);
  }

  std::string_view text_;
  const SqlDialect& dialect_;
  std::size_t at_ = 0;
  std::string& out_;
  std::vector<Template>& parameters_;
  std::string& wrong_;
};

}  // namespace

bool SqlQuery::parse(std::string_view query, const SqlDialect& dialect, SqlQuery& out,
                     std::string& wrong) {
  if (query.find('\0') != std::string_view::npos) {
    wrong = "a NUL in it";
    return false;
  }
  out = SqlQuery{};
  return Parser(query, dialect, out.statement_, out.parameters_, wrong).run();
}

SqlQuery SqlQuery::read(QueryConfig& config, const SqlDialect& dialect) {
  SqlQuery out;
  std::string wrong;
  if (!parse(config.required("query"), dialect, out, wrong)) config.add_problem("query: " + wrong);
  return out;
}

Answer SqlQuery::bind(std::string_view key, std::vector<std::string>& values) const {
  values.clear();
  for (const Template& parameter : parameters_) {
    std::string value;
    if (parameter.expand(key, key, value) == Answer::absent) return Answer::absent;
    values.push_back(std::move(value));
  }
  return Answer::found;
}

// ---- results ------------------------------------------------------------------------------------

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
  if (rules_.result_format.expand(value, key_, one) == Answer::absent) return {};
  if (rules_.limit != 0 && count_ >= rules_.limit) {
    return Error{Fault::retry, 0, "more than expansion_limit"};
  }
  constexpr std::size_t kMaxJoined = std::size_t{1} << 20;
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

}  // namespace qv::maps
