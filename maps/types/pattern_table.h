// SPDX-License-Identifier: 0BSD
// maps/types/pattern_table.h - rules whose patterns a key is matched against, first match wins:
// what regexp, pcre and cidr share.
//
// Postfix's table syntax: `PATTERN result`, `!PATTERN result`, `if PATTERN`, `if !PATTERN`,
// `endif`; logical lines as in every text table.  Where the type has groups, $1, ${1} and $(1) in
// results are what a group matched, and $$ is a dollar sign.  The rules stand in a file, or in the
// name itself: `pcre:{ {/pattern/ result}, {...} }`.
//
// A pattern that requires certain texts is run only where the key may hold them (prefilter.h).
//
// Threads: none.  Tests: tests/maps/pattern_test.cc, fuzz_pattern_file.cc
#ifndef QV_MAPS_TYPES_PATTERN_TABLE_H_
#define QV_MAPS_TYPES_PATTERN_TABLE_H_

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"

namespace qv::maps {

inline constexpr std::size_t kMaxGroups = 100;  // $0 to $99

// What the groups of a pattern matched; one that matched nothing is empty.
using Groups = std::array<std::string_view, kMaxGroups>;

struct Pattern {
  virtual ~Pattern() = default;
  Pattern() = default;
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  // found: the key matches, and the groups up to number `groups` are set.  absent: it does not.
  // Error: the matcher gave up (retry).
  [[nodiscard]] virtual Result<Answer> match(std::string_view key, Groups& groups) = 0;

  std::size_t groups = 0;
  // Texts in small letters that every key contains that matches, in either case; empty: unknown.
  std::vector<std::string> required;
};

// Consumes a pattern at the front of `rest` and compiles it.  nullptr: it cannot be compiled, and
// `wrong` says why.
using CompilePattern = std::unique_ptr<Pattern> (*)(std::string_view& rest, std::string& wrong);

struct PatternSyntax {
  CompilePattern compile = nullptr;
  bool substitutes = false;  // $1 in results means something
};

// Reads the rules and makes the table.  `detail` names file and line on failure.
[[nodiscard]] Result<std::unique_ptr<Map>> open_pattern_table(const MapSpec& spec,
                                                              const PatternSyntax& syntax,
                                                              std::string& detail);

// MapType::open of a type.
template <CompilePattern compile, bool substitutes>
Result<std::unique_ptr<Map>> open_patterns(const MapSpec& spec, std::string& detail) {
  return open_pattern_table(spec, {compile, substitutes}, detail);
}

// The same for rules in memory; `where` names them in messages, `sources` are the files they are
// from.
[[nodiscard]] Result<std::unique_ptr<Map>> parse_pattern_table(
    std::string_view text, std::string_view where, bool no_substitution,
    const PatternSyntax& syntax, std::vector<control::SourceStamp> sources, std::string& detail);

// Consumes `/pattern/flags` at the front of `rest`: any character that is neither a letter, a
// digit, a blank nor a backslash may stand for the slash; the character after a backslash is part
// of the pattern.  False without both delimiters.
[[nodiscard]] bool consume_delimited(std::string_view& rest, std::string_view& pattern,
                                     std::string_view& flags);

// The same, and each flag turns its bit of `options` round.  False, with the reason in `wrong`:
// no such pattern, or a flag that is not known.
struct PatternFlag {
  char letter;
  std::uint32_t bit;
};
[[nodiscard]] bool consume_pattern(std::string_view& rest, std::span<const PatternFlag> known,
                                   std::string_view& pattern, std::uint32_t& options,
                                   std::string& wrong);

}  // namespace qv::maps

#endif  // QV_MAPS_TYPES_PATTERN_TABLE_H_
