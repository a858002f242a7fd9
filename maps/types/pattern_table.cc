// SPDX-License-Identifier: 0BSD
#include "maps/types/pattern_table.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/prefilter.h"
#include "maps/types/text_table.h"

namespace qv::maps {

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
  // Chooses for each pattern, of all grams that it requires, the one that the fewest others
  // require, too.
  PatternTable(std::vector<Rule> rules, std::vector<control::SourceStamp> sources)
      : rules_(std::move(rules)) {
    sources_ = std::move(sources);
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
  bool is_empty() override {
    return std::none_of(rules_.begin(), rules_.end(),
                        [](const Rule& rule) { return rule.pattern && rule.past == 0; });
  }

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
    for (const std::string& text : rule.pattern->required) {
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
};

// Consumes `1`, `{1}` or `(1)`; false on anything else.
bool consume_group(std::string_view& rest, int& group) {
  std::string_view closing;
  if (starts_with(rest, "{")) closing = "}";
  if (starts_with(rest, "(")) closing = ")";
  rest.remove_prefix(closing.size());
  const std::string_view digits = first_bytes(rest, rest.find_first_not_of("0123456789"));
  std::uint64_t number = 0;
  if (!parse_decimal(digits, kMaxGroups - 1, number)) return false;
  rest.remove_prefix(digits.size());
  if (!starts_with(rest, closing)) return false;
  rest.remove_prefix(closing.size());
  group = static_cast<int>(number);
  return true;
}

// Every function that returns bool: false, with the reason in `wrong`.
class Parser {
 public:
  Parser(const PatternSyntax& syntax, bool no_substitution, std::string& wrong)
      : syntax_(syntax), no_substitution_(no_substitution), wrong_(wrong) {}

  // One logical line.
  bool add_line(std::string_view line) {
    if (line.empty() || is_blank(line.front())) {
      return fail("a blank begins a line that continues nothing");
    }
    if (consume_word(line, "endif")) return close(line);
    const bool condition = consume_word(line, "if");
    line = trim_white(line);
    Rule rule;
    while (starts_with(line, "!")) {
      rule.negated = !rule.negated;
      line = trim_white(after_bytes(line, 1));
    }
    rule.pattern = syntax_.compile(line, wrong_);
    if (!rule.pattern) return false;
    line = trim_white(line);
    if (condition) {
      if (!line.empty()) return fail("text behind the pattern of an if");
      rule.past = rules_.size() + 1;
      open_.push_back(rules_.size());
    } else {
      if (line.empty()) return fail("a pattern without a result");
      if (!parse_result(line, rule)) return false;
    }
    rules_.push_back(std::move(rule));
    return true;
  }

  // After the last line.
  bool finish() { return open_.empty() || fail("an if without its endif"); }

  std::unique_ptr<Map> table(std::vector<control::SourceStamp> sources) {
    return std::make_unique<PatternTable>(std::move(rules_), std::move(sources));
  }

 private:
  bool fail(std::string wrong) {
    wrong_ = std::move(wrong);
    return false;
  }

  static bool consume_word(std::string_view& line, std::string_view word) {
    if (!starts_with(line, word)) return false;
    const std::string_view rest = after_bytes(line, word.size());
    const bool ends = rest.empty() || std::string_view(" \t/!\r").find(rest.front()) != rest.npos;
    if (ends) line = rest;
    return ends;
  }

  bool close(std::string_view line) {
    if (open_.empty()) return fail("an endif without its if");
    if (!trim_white(line).empty()) return fail("text behind an endif");
    rules_.emplace_back();
    rules_[open_.back()].past = rules_.size();
    open_.pop_back();
    return true;
  }

  bool parse_result(std::string_view text, Rule& rule) {
    Piece piece;
    while (!text.empty()) {
      const char c = text.front();
      text.remove_prefix(1);
      if (c != '$' || !syntax_.substitutes) {
        piece.text += c;
      } else if (starts_with(text, "$")) {
        piece.text += '$';
        text.remove_prefix(1);
      } else if (!consume_group(text, piece.group)) {
        return fail("a $ in the result that is neither $$ nor a group such as $1");
      } else if (!check_group(piece.group, rule)) {
        return false;
      } else {
        rule.result.push_back(std::exchange(piece, Piece{}));
      }
    }
    rule.result.push_back(std::move(piece));
    return true;
  }

  bool check_group(int group, const Rule& rule) {
    const std::string name = "$" + std::to_string(group) + " in the result";
    if (no_substitution_) return fail(name + " is not allowed here");
    if (rule.negated) return fail(name + " of a negated pattern");
    const std::size_t groups = rule.pattern->groups;
    if (static_cast<std::size_t>(group) <= groups) return true;
    return fail(name + ", and the pattern has " + std::to_string(groups) + " groups");
  }

  const PatternSyntax& syntax_;
  bool no_substitution_;
  std::string& wrong_;
  std::vector<Rule> rules_;
  std::vector<std::size_t> open_;  // the ifs that have no endif yet
};

Result<std::unique_ptr<Map>> parse_inline(const MapSpec& spec, const PatternSyntax& syntax,
                                          std::string& detail) {
  std::vector<std::string_view> elements;
  std::string wrong = "write " + spec.type + ":{ {rule}, {rule} }";
  Parser parser(syntax, spec.options.no_substitution, wrong);
  bool good = split_list(strip_braces(spec.name), elements);
  for (const std::string_view element : elements) {
    good = good && parser.add_line(strip_braces(element));
  }
  if (good && parser.finish()) return parser.table({});
  detail = spec.type + ":" + spec.name + ": " + wrong;
  return Error{Fault::config, 0, "pattern table"};
}

bool is_delimiter(char c) {
  return is_printable(c) && c != ' ' && c != '\\' && !is_letter_or_digit(c);
}

}  // namespace

Result<std::unique_ptr<Map>> parse_pattern_table(std::string_view text, std::string_view where,
                                                 bool no_substitution, const PatternSyntax& syntax,
                                                 std::vector<control::SourceStamp> sources,
                                                 std::string& detail) {
  std::string wrong;
  Parser parser(syntax, no_substitution, wrong);
  LogicalLines lines(text);
  bool good = true;
  for (;;) {
    std::string_view line;
    QV_TRY(const Answer more, lines.next(line));
    good = more == Answer::found ? parser.add_line(line) : parser.finish();
    if (more == Answer::absent || !good) break;
  }
  if (good) return parser.table(std::move(sources));
  detail = std::string(where) + ":" + std::to_string(lines.number()) + ": " + wrong;
  return Error{Fault::config, 0, "pattern table"};
}

Result<std::unique_ptr<Map>> open_pattern_table(const MapSpec& spec, const PatternSyntax& syntax,
                                                std::string& detail) {
  const std::string_view inner = strip_braces(spec.name);
  if (is_braced(trim_white(spec.name)) && starts_with(inner, "{")) {
    return parse_inline(spec, syntax, detail);
  }
  const std::string path(inner);
  control::SourceStamp stamp;
  QV_TRY(const std::string text, read_source(path, stamp, detail));
  return parse_pattern_table(text, path, spec.options.no_substitution, syntax, {std::move(stamp)},
                             detail);
}

bool consume_pattern(std::string_view& rest, std::span<const PatternFlag> known,
                     std::string_view& pattern, std::uint32_t& options, std::string& wrong) {
  std::string_view flags;
  if (!consume_delimited(rest, pattern, flags)) {
    wrong = "expected /pattern/flags";
    return false;
  }
  for (const char letter : flags) {
    const auto flag = std::find_if(known.begin(), known.end(),
                                   [letter](const PatternFlag& f) { return f.letter == letter; });
    if (flag == known.end()) {
      wrong = std::string("unknown flag '") + letter + "'";
      return false;
    }
    options ^= flag->bit;
  }
  return true;
}

bool consume_delimited(std::string_view& rest, std::string_view& pattern, std::string_view& flags) {
  if (rest.empty() || !is_delimiter(rest.front())) return false;
  const char delimiter = rest.front();
  std::size_t i = 1;
  while (i < rest.size() && rest[i] != delimiter) i += rest[i] == '\\' ? std::size_t{2} : 1;
  if (i >= rest.size()) return false;
  pattern = rest.substr(1, i - 1);
  rest = after_bytes(rest, i + 1);
  flags = first_bytes(rest, rest.find_first_of(" \t\r\n"));
  rest = after_bytes(rest, flags.size());
  return true;
}

}  // namespace qv::maps
