// SPDX-License-Identifier: 0BSD
#include "maps/types/sql_query.h"

#include <utility>

#include "core/text.h"

namespace qv {

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
    if (starts_with(rest(), "--") || (c == '#' && dialect_.backslash_escapes))
      return copy(find_byte(rest(), '\n') + 1);
    if (starts_with(rest(), "/*")) return copy_to("*/", 2);
    if (c == '$' && dialect_.numbered) return dollar();
    if (c == '%') return bare_expansion();
    out_ += c;
    ++at_;
    return true;
  }

  // Copies up to and including the next `closing`, which stands at least `from` bytes on.
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

  bool bare_expansion() {
    if (starts_with(rest(), "%%")) return copy(2);
    const std::string_view spec = first_bytes(rest(), 2);
    at_ += spec.size();
    return add_parameter(spec);
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
    if (parameter.expand(key, key, quote_nothing, value) == Answer::absent) return Answer::absent;
    values.push_back(std::move(value));
  }
  return Answer::found;
}

}  // namespace qv
