// SPDX-License-Identifier: 0BSD
// maps/types/pattern_table.h - rules that a key is held against, first match wins: what regexp,
// pcre and cidr share.
//
// Postfix's table syntax: `PATTERN result`, `!PATTERN result`, `if PATTERN`, `if !PATTERN`,
// `endif`; logical lines as in every text table.  In results $1, ${1} and $(1) are what a group
// matched and
// $$ is a dollar sign, where the type has groups.  The rules stand in a file, or in the name
// itself: `pcre:{ {/pattern/ result}, {...} }`.
//
// A pattern that says which texts it requires is run only where the key may hold them.
//
// Threads: none.  Tests: tests/maps/pattern_test.cc, fuzz_pattern_file.cc
#ifndef QV_MAPS_TYPES_PATTERN_TABLE_H_
#define QV_MAPS_TYPES_PATTERN_TABLE_H_

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"

namespace qv {

inline constexpr std::size_t kMaxGroups = 100;  // $0 to $99

// What the groups of a pattern matched; one that matched nothing is empty.
using Groups = std::array<std::string_view, kMaxGroups>;

class Pattern {
 public:
  virtual ~Pattern() = default;
  Pattern() = default;
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  // found: the key matches, `groups` is set up to groups().  absent: it does not.  Error: the
  // matcher gave up (retry).
  [[nodiscard]] virtual Result<Answer> match(std::string_view key, Groups& groups) = 0;
  [[nodiscard]] virtual std::size_t groups() const { return 0; }
  // Texts that stand in every key that matches, letters small or capital; empty: not known.  Asked
  // once, when the table is made.
  [[nodiscard]] virtual std::vector<std::string> required() const { return {}; }
};

// Takes a pattern off the front of `rest` and compiles it.  nullptr: it cannot be compiled, `wrong`
// says why.
using CompilePattern = std::unique_ptr<Pattern> (*)(std::string_view& rest, std::string& wrong);

struct PatternSyntax {
  CompilePattern compile = nullptr;
  bool substitutes = false;  // $1 in results means something
};

// Reads the rules and makes the table.  `detail` names file and line on failure.
[[nodiscard]] Result<std::unique_ptr<Map>> open_pattern_table(const MapSpec& spec,
                                                              const PatternSyntax& syntax,
                                                              std::string& detail);

// The same for rules in memory; `where` names them in messages.
[[nodiscard]] Result<std::unique_ptr<Map>> parse_pattern_table(std::string_view text,
                                                               std::string_view where,
                                                               bool no_substitution,
                                                               const PatternSyntax& syntax,
                                                               std::string& detail);

// Takes `/pattern/flags` off the front of `rest`: any character that is neither a letter, a digit,
// a blank nor a backslash may stand for the slash; a backslash takes the character behind it along.
// False without both delimiters, or with something else than a blank behind the flags.
[[nodiscard]] bool take_delimited(std::string_view& rest, std::string_view& pattern,
                                  std::string_view& flags);

}  // namespace qv

#endif  // QV_MAPS_TYPES_PATTERN_TABLE_H_
