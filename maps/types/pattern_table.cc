// SPDX-License-Identifier: 0BSD
#include "maps/types/pattern_table.h"

#include <utility>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/prefilter.h"
#include "maps/types/text_table.h"

namespace qv {

namespace {

constexpr std::size_t kMaxValue = std::size_t{1} << 20;  // bytes of an expanded result

// A piece of a result: text, and then a group or nothing.
struct Piece {
  std::string text;
  int group = -1;
};

struct Rule {
  std::unique_ptr<Pattern> pattern;  // null: endif
  bool negated = false;
  std::size_t past = 0;  // of an if: the rule behind its endif; 0: a rule with a result
  std::vector<Piece> result;
};

class PatternTable final : public Map {
 public:
  Result<Answer> lookup(std::string_view key, std::string& value) override {
    Groups groups;
    const GramSet held(key);
    for (std::size_t i = 0; i < rules_.size();) {
      if (!held.has(gates_[i].gram)) {
        i = gates_[i].otherwise;
        continue;
      }
      const Rule& rule = rules_[i];
      if (!rule.pattern) {
        ++i;
        continue;
      }
      QV_TRY(const Answer answer, rule.pattern->match(key, groups));
      const bool holds = (answer == Answer::found) != rule.negated;
      if (holds && rule.past == 0) return expand(rule, groups, value);
      i = holds || rule.past == 0 ? i + 1 : rule.past;
    }
    return Answer::absent;
  }
  bool is_pattern() const override { return true; }
  bool is_empty() override { return results_ == 0; }
  void sources(std::vector<SourceStamp>& out) const override {
    out.insert(out.end(), sources_.begin(), sources_.end());
  }

  void add(Rule rule) {
    if (rule.pattern && rule.past == 0) ++results_;
    rules_.push_back(std::move(rule));
  }
  Rule& rule(std::size_t index) { return rules_[index]; }
  std::size_t size() const { return rules_.size(); }
  // No rule is added any more: chooses for each pattern, of all grams that it requires, the one
  // that the fewest others require, too.
  void finish() {
    std::vector<std::vector<Gram>> required;
    std::array<std::uint32_t, kGrams> uses{};
    for (const Rule& rule : rules_) {
      required.push_back(required_grams(rule));
      for (const Gram gram : required.back()) ++uses[gram];
    }
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const std::size_t past = rules_[i].past;
      Gate gate{kAnyGram, static_cast<std::uint32_t>(past == 0 ? i + 1 : past)};
      for (const Gram gram : required[i]) {
        if (gate.gram == kAnyGram || uses[gram] < uses[gate.gram]) gate.gram = gram;
      }
      gates_.push_back(gate);
    }
  }
  void set_source(SourceStamp stamp) { sources_.push_back(std::move(stamp)); }

 private:
  static Result<Answer> expand(const Rule& rule, const Groups& groups, std::string& value) {
    std::string out;
    for (const Piece& piece : rule.result) {
      out += piece.text;
      if (piece.group >= 0) out += groups[static_cast<std::size_t>(piece.group)];
      if (out.size() > kMaxValue) return Error{Fault::retry, 0, "result too long"};
    }
    value = std::move(out);
    return Answer::found;
  }

  // A negated pattern holds where it does not match: it has no gate.
  static std::vector<Gram> required_grams(const Rule& rule) {
    std::vector<Gram> grams;
    if (!rule.pattern || rule.negated) return grams;
    for (const std::string& text : rule.pattern->required()) {
      for_each_gram(text, [&](Gram gram) { grams.push_back(gram); });
    }
    return grams;
  }

  // In front of a rule: a key without this gram does not match, and `otherwise` is the next rule.
  struct Gate {
    Gram gram;
    std::uint32_t otherwise;
  };

  std::vector<Rule> rules_;
  std::vector<Gate> gates_;  // one for each rule: those are looked at for every key, close together
  std::size_t results_ = 0;
  std::vector<SourceStamp> sources_;
};

// Takes `1`, `{1}` or `(1)` off the front; false on anything else.
bool take_group(std::string_view& rest, int& group) {
  if (rest.empty()) return false;
  char closing = '\0';
  if (rest.front() == '{') closing = '}';
  if (rest.front() == '(') closing = ')';
  if (closing != '\0') rest.remove_prefix(1);
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  std::uint64_t number = 0;
  if (!parse_decimal(first_bytes(rest, digits), kMaxGroups - 1, number)) return false;
  rest.remove_prefix(digits);
  if (closing != '\0') {
    if (rest.empty() || rest.front() != closing) return false;
    rest.remove_prefix(1);
  }
  group = static_cast<int>(number);
  return true;
}

class Parser {
 public:
  Parser(const PatternSyntax& syntax, bool no_substitution)
      : syntax_(syntax), no_substitution_(no_substitution), table_(new PatternTable) {}

  // One logical line; false: `wrong` says what is wrong with it.
  bool add_line(std::string_view line, std::string& wrong) {
    if (line.empty() || is_blank(line.front())) {
      wrong = "a blank begins a line that continues nothing";
      return false;
    }
    if (takes_word(line, "endif")) return close(line, wrong);
    const bool condition = takes_word(line, "if");
    line = trim_white(line);
    Rule rule;
    while (!line.empty() && line.front() == '!') {
      rule.negated = !rule.negated;
      line = trim_white(after_bytes(line, 1));
    }
    rule.pattern = syntax_.compile(line, wrong);
    if (!rule.pattern) return false;
    line = trim_white(line);
    if (condition) return open(std::move(rule), line, wrong);
    if (line.empty()) {
      wrong = "a pattern without a result";
      return false;
    }
    if (!parse_result(line, rule, wrong)) return false;
    table_->add(std::move(rule));
    return true;
  }

  bool ends_well(std::string& wrong) const {
    if (open_.empty()) return true;
    wrong = "an if without its endif";
    return false;
  }
  std::unique_ptr<PatternTable> take() {
    table_->finish();
    return std::move(table_);
  }

 private:
  static bool takes_word(std::string_view& line, std::string_view word) {
    if (!starts_with(line, word)) return false;
    const std::string_view rest = after_bytes(line, word.size());
    const bool ends = rest.empty() || is_blank(rest.front()) || rest.front() == '/' ||
                      rest.front() == '!' || rest.front() == '\r';
    if (ends) line = rest;
    return ends;
  }

  bool open(Rule rule, std::string_view line, std::string& wrong) {
    if (!line.empty()) {
      wrong = "text behind the pattern of an if";
      return false;
    }
    rule.past = table_->size() + 1;
    open_.push_back(table_->size());
    table_->add(std::move(rule));
    return true;
  }

  bool close(std::string_view line, std::string& wrong) {
    if (open_.empty() || !trim_white(line).empty()) {
      wrong = open_.empty() ? "an endif without its if" : "text behind an endif";
      return false;
    }
    table_->add(Rule{});
    table_->rule(open_.back()).past = table_->size();
    open_.pop_back();
    return true;
  }

  bool parse_result(std::string_view text, Rule& rule, std::string& wrong) const {
    Piece piece;
    while (!text.empty()) {
      const char c = text.front();
      text.remove_prefix(1);
      if (c != '$' || !syntax_.substitutes) {
        piece.text += c;
        continue;
      }
      if (!text.empty() && text.front() == '$') {
        piece.text += '$';
        text.remove_prefix(1);
        continue;
      }
      if (!take_group(text, piece.group)) {
        wrong = "a $ in the result that is neither $$ nor a group such as $1";
        return false;
      }
      if (!may_use(piece.group, rule, wrong)) return false;
      rule.result.push_back(std::exchange(piece, Piece{}));
    }
    rule.result.push_back(std::move(piece));
    return true;
  }

  bool may_use(int group, const Rule& rule, std::string& wrong) const {
    if (no_substitution_) {
      wrong = "$" + std::to_string(group) + " in the result is not allowed here";
    } else if (rule.negated) {
      wrong = "$" + std::to_string(group) + " in the result of a negated pattern";
    } else if (static_cast<std::size_t>(group) > rule.pattern->groups()) {
      wrong = "$" + std::to_string(group) + " in the result, and the pattern has " +
              std::to_string(rule.pattern->groups()) + " groups";
    } else {
      return true;
    }
    return false;
  }

  const PatternSyntax& syntax_;
  bool no_substitution_;
  std::unique_ptr<PatternTable> table_;
  std::vector<std::size_t> open_;  // the ifs that have no endif yet
};

Result<std::unique_ptr<PatternTable>> parse_file(std::string_view text, std::string_view where,
                                                 bool no_substitution, const PatternSyntax& syntax,
                                                 std::string& detail) {
  const auto fail = [&](std::uint64_t number, const std::string& wrong) {
    detail = std::string(where) + ":" + std::to_string(number) + ": " + wrong;
    return Error{Fault::config, 0, "pattern table"};
  };
  Parser parser(syntax, no_substitution);
  LogicalLines lines(text);
  std::string wrong;
  for (;;) {
    std::string_view line;
    QV_TRY(const Answer more, lines.next(line));
    if (more == Answer::absent) break;
    if (!parser.add_line(line, wrong)) return fail(lines.number(), wrong);
  }
  if (!parser.ends_well(wrong)) return fail(lines.number(), wrong);
  return parser.take();
}

Result<std::unique_ptr<Map>> parse_inline(const MapSpec& spec, const PatternSyntax& syntax,
                                          std::string& detail) {
  std::vector<std::string_view> elements;
  std::string wrong = "write " + spec.type + ":{ {rule}, {rule} }";
  Parser parser(syntax, spec.options.no_substitution);
  bool good = split_list(strip_braces(spec.name), elements);
  for (const std::string_view element : elements) {
    good = good && parser.add_line(strip_braces(element), wrong);
  }
  if (good && parser.ends_well(wrong)) return std::unique_ptr<Map>(parser.take());
  detail = spec.type + ":" + spec.name + ": " + wrong;
  return Error{Fault::config, 0, "pattern table"};
}

bool is_delimiter(char c) {
  const char lower = ascii_lower(c);
  return is_printable(c) && c != ' ' && c != '\\' && !is_digit(c) &&
         !(lower >= 'a' && lower <= 'z');
}

}  // namespace

Result<std::unique_ptr<Map>> parse_pattern_table(std::string_view text, std::string_view where,
                                                 bool no_substitution, const PatternSyntax& syntax,
                                                 std::string& detail) {
  QV_TRY(std::unique_ptr<PatternTable> table,
         parse_file(text, where, no_substitution, syntax, detail));
  return std::unique_ptr<Map>(std::move(table));
}

Result<std::unique_ptr<Map>> open_pattern_table(const MapSpec& spec, const PatternSyntax& syntax,
                                                std::string& detail) {
  const std::string_view inner = strip_braces(spec.name);
  if (is_braced(trim_white(spec.name)) && starts_with(inner, "{")) {
    return parse_inline(spec, syntax, detail);
  }
  const std::string path(inner);
  SourceStamp stamp;
  QV_TRY(const std::string text, read_source(path, stamp, detail));
  QV_TRY(std::unique_ptr<PatternTable> table,
         parse_file(text, path, spec.options.no_substitution, syntax, detail));
  table->set_source(std::move(stamp));
  return std::unique_ptr<Map>(std::move(table));
}

bool take_delimited(std::string_view& rest, std::string_view& pattern, std::string_view& flags) {
  if (rest.empty() || !is_delimiter(rest.front())) return false;
  const char delimiter = rest.front();
  std::size_t i = 1;
  while (i < rest.size() && rest[i] != delimiter) i += rest[i] == '\\' ? std::size_t{2} : 1;
  if (i >= rest.size()) return false;
  pattern = rest.substr(1, i - 1);
  rest = after_bytes(rest, i + 1);
  std::size_t end = 0;
  while (end < rest.size() && !is_blank(rest[end]) && rest[end] != '\r' && rest[end] != '\n') ++end;
  flags = first_bytes(rest, end);
  rest = after_bytes(rest, end);
  return true;
}

}  // namespace qv
