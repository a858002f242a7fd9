// SPDX-License-Identifier: 0BSD
// regexp:/path - POSIX regular expressions, as regexp_table(5).
//
// Flags turn a default round: i (on: case does not count), m (off: ^ and $ also at line ends), x
// (on: extended expressions).  The C library's matcher has no time limit: use pcre for keys that
// strangers choose.  Manual: qmail-map-patterns(5).
#include <regex.h>

#include <algorithm>

#include "maps/types/pattern_table.h"

namespace qv::maps {

namespace {

class Regexp final : public Pattern {
 public:
  explicit Regexp(const regex_t& compiled) : compiled_(compiled) { groups = compiled.re_nsub; }
  ~Regexp() override { regfree(&compiled_); }

  Result<Answer> match(std::string_view key, Groups& matched) override {
    std::array<regmatch_t, kMaxGroups> found;
    const std::size_t count = std::min(groups + 1, found.size());
    // Between two positions, so that a NUL is a character as any other.
    found[0].rm_so = 0;
    found[0].rm_eo = static_cast<regoff_t>(key.size());
    const char* text = key.empty() ? "" : key.data();
    const int code = regexec(&compiled_, text, count, found.data(), REG_STARTEND);
    if (code == REG_NOMATCH) return Answer::absent;
    if (code != 0) return Error{Fault::retry, 0, "regexp matcher gave up"};
    for (std::size_t i = 0; i < count; ++i) {
      const bool set = found[i].rm_so >= 0;
      matched[i] = set ? key.substr(static_cast<std::size_t>(found[i].rm_so),
                                    static_cast<std::size_t>(found[i].rm_eo - found[i].rm_so))
                       : std::string_view{};
    }
    return Answer::found;
  }

 private:
  regex_t compiled_;
};

constexpr PatternFlag kFlags[] = {{'i', REG_ICASE}, {'m', REG_NEWLINE}, {'x', REG_EXTENDED}};

std::unique_ptr<Pattern> compile(std::string_view& rest, std::string& wrong) {
  std::string_view pattern;
  std::uint32_t options = REG_EXTENDED | REG_ICASE;
  if (!consume_pattern(rest, kFlags, pattern, options, wrong)) return nullptr;
  if (pattern.find('\0') != std::string_view::npos) {
    wrong = "a NUL in the pattern";
    return nullptr;
  }
  regex_t compiled{};
  const int code = regcomp(&compiled, std::string(pattern).c_str(), static_cast<int>(options));
  if (code != 0) {
    std::array<char, 200> text{};
    regerror(code, &compiled, text.data(), text.size());
    wrong = text.data();
    return nullptr;
  }
  return std::make_unique<Regexp>(compiled);
}

}  // namespace

extern const MapType map_type_regexp{
    "regexp", {.pattern = true}, "/path: POSIX regular expressions", open_patterns<compile, true>};

}  // namespace qv::maps
