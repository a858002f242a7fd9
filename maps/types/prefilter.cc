// SPDX-License-Identifier: 0BSD
#include "maps/types/prefilter.h"

#include <utility>

#include "core/text.h"

namespace qv::maps {

namespace {

bool is_one_of(char c, std::string_view set) { return find_byte(set, c) != set.size(); }

// Stands for itself outside classes.
bool is_plain(char c) { return is_letter_or_digit(c) || is_one_of(c, " !\"#%&',-/:;<=>@_`~"); }

// Every function that returns bool returns false to give up.
class Scanner {
 public:
  explicit Scanner(std::string_view pattern) : rest_(pattern) {}

  bool scan() {
    while (!rest_.empty()) {
      if (!atom()) return false;
    }
    end_text();
    return depth_ == 0;
  }
  std::vector<std::string> texts() { return std::move(texts_); }

 private:
  bool atom() {
    const char c = next_byte();
    switch (c) {
      case '(':
        return open_group();
      case ')':
        end_text();
        return depth_-- > 0 && quantifier();
      case '|':
        return depth_ > 0;
      case '[':
        end_text();
        return rest_of_class() && quantifier();
      case '.':
        end_text();
        return quantifier();
      case '^':
      case '$':
        end_text();
        return true;
      case '\\':
        return escape();
      default:
        return is_plain(c) && literal(c);
    }
  }

  bool open_group() {
    end_text();
    ++depth_;
    if (rest_.empty() || rest_.front() == '*') return false;
    return rest_.front() != '?' || skip("?:");
  }

  // Up to its ']'; one that comes first is part of it.
  bool rest_of_class() {
    skip("^");
    skip("]");
    while (!rest_.empty()) {
      const char c = next_byte();
      if (c == ']') return true;
      if (c == '[') return false;
      if (c != '\\') continue;
      if (rest_.empty()) return false;
      const char escaped = next_byte();
      if (is_letter_or_digit(escaped) && !is_one_of(escaped, "dDwWsS")) return false;
    }
    return false;
  }

  bool escape() {
    if (rest_.empty()) return false;
    const char c = next_byte();
    if (is_one_of(c, "dDwWsS")) {
      end_text();
      return quantifier();
    }
    if (is_one_of(c, "bBAzZ")) {
      end_text();
      return true;
    }
    const bool is_punctuation = is_printable(c) && !is_letter_or_digit(c) && c != '_';
    return is_punctuation && literal(c);
  }

  bool literal(char c) {
    if (depth_ > 0) return quantifier();
    text_ += ascii_lower(c);
    if (!at_quantifier()) return true;
    // With a + it is required once, but the next literal need not follow this one.
    if (rest_.front() != '+') text_.pop_back();
    end_text();
    return quantifier();
  }

  bool at_quantifier() const { return !rest_.empty() && is_one_of(rest_.front(), "*+?{"); }

  // Of the atom before.  A quantifier behind another or behind an anchor is no atom, and gives up.
  bool quantifier() {
    if (!at_quantifier()) return true;
    if (next_byte() == '{' && !rest_of_range()) return false;
    // Lazy, possessive.
    static_cast<void>(skip("?") || skip("+"));
    return true;
  }

  // `2}`, `2,}` or `2,3}`: any other brace is no range, or a literal.
  bool rest_of_range() {
    if (rest_.empty() || !is_digit(rest_.front())) return false;
    skip_digits();
    skip(",");
    skip_digits();
    return skip("}");
  }

  bool skip(std::string_view text) {
    const bool there = starts_with(rest_, text);
    if (there) rest_.remove_prefix(text.size());
    return there;
  }
  void skip_digits() { rest_ = after_bytes(rest_, rest_.find_first_not_of("0123456789")); }
  char next_byte() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void end_text() {
    if (!text_.empty()) texts_.push_back(std::exchange(text_, {}));
  }

  std::string_view rest_;
  int depth_ = 0;
  std::string text_;  // outside groups: the literals up to here, in small letters
  std::vector<std::string> texts_;
};

}  // namespace

std::vector<std::string> required_texts(std::string_view pattern) {
  Scanner scanner(pattern);
  if (!scanner.scan()) return {};
  return scanner.texts();
}

}  // namespace qv::maps
