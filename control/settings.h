// SPDX-License-Identifier: 0BSD
// control/settings.h - what an operator may set: rows of a table, bound to members of a struct.
//
// A program has one table.  A row names the setting, the member that its value goes to with the
// type of that value, the default as an operator would write it, and the line for --help.  Settings
// reads the rows and reports every mistake.  The first of these that has a value counts, for every
// program:
//
//   1. the command line: -o name=value
//   2. the environment: NAME, then the row's aliases, then the name as it stands
//   3. control/NAME below qmailhome: its lines, without comments, joined by a blank
//
// What makes the process (listen, account) is not read from control/, which several programs share.
// An empty value counts as set.  Tests: tests/control/settings_test.cc
#ifndef QV_CONTROL_SETTINGS_H_
#define QV_CONTROL_SETTINGS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"

namespace qv {

// A type, and the member that has it.
struct SettingValue {
  // Writes the member and returns "", or leaves it alone and returns what is wrong with the text:
  // several mistakes with a NUL between them, which no value has.
  std::function<std::string(std::string_view)> read;
  std::string form = {};  // what may be written, for --help: "all reject none"
};

inline constexpr bool kOfProcess = true;

struct Setting {
  std::string_view name;  // in lower case, as Postfix has it where it has it
  SettingValue value;
  std::string_view fallback = {};  // the default; $qmailhome stands for that setting's value
  std::string_view help = {};      // one line: what it does, with its unit
  std::string_view aliases = {};   // its other names in the environment, separated by one blank
  bool of_process = false;         // not read from control/
};

// Where values come from.
struct SettingSources {
  using Environment = std::function<std::optional<std::string>(std::string_view)>;
  std::map<std::string, std::string, std::less<>> given;  // -o
  Environment environment;

  // Takes NAME=VALUE, blanks around both left out; false where it is not that.
  [[nodiscard]] bool give(std::string_view text);
};

// The process's own environment.
[[nodiscard]] std::optional<std::string> from_environment(std::string_view name);

class Settings {
 public:
  // REQUIRES: the members outlive this object; `qmailhome` is the first row.
  explicit Settings(std::vector<Setting> rows);

  // Reads every row into its member.  What is wrong is added to `problems`, and the default stays:
  // a value that its type does not take, a control file that cannot be read, a -o of no setting.
  void read(const SettingSources& sources, std::vector<Problem>& problems);

  // Where the value of `name` stands: "control/NAME:1", "environment NAME", "-o NAME", and the name
  // alone where it has its default.  REQUIRES: there is such a row.
  [[nodiscard]] std::string place(std::string_view name) const;

  // For --help: each setting and its names in the environment, with its value and where that comes
  // from.
  [[nodiscard]] std::string describe() const;

 private:
  struct Row {
    Setting setting;
    std::string value = {};
    std::string source = "default";
  };
  [[nodiscard]] bool find(Row& row, const SettingSources& sources, std::vector<Problem>& problems);
  [[nodiscard]] bool find_in_environment(Row& row, const SettingSources& sources) const;
  void read_row(Row& row, const SettingSources& sources, std::vector<Problem>& problems);

  std::vector<Row> rows_;
  std::string home_;
};

inline constexpr std::int64_t kMaxDuration_s = 100LL * 366 * 86400;

// Seconds of a time as Postfix's users write it, "31d", "3h", "90": decimal digits and one letter:
// s, m, h, d, w (any case).  Without a letter the number counts `unit` (one of those letters).
// nullopt on anything else, and past kMaxDuration_s.
[[nodiscard]] std::optional<std::int64_t> parse_duration(std::string_view text, char unit);

// The types.  Each binds a member, which must outlive what is returned.
namespace setting {

// What is wrong with a word, or "".
using Check = std::string (*)(std::string_view word);

[[nodiscard]] SettingValue text(std::string& member);
// The same, checked.
[[nodiscard]] SettingValue text(std::string& member, Check check);
// A text that begins with a slash; `or_none`: or an empty one.
[[nodiscard]] SettingValue path(std::string& member, bool or_none = false);
// Words separated by blanks, each checked; at least one, unless `or_none`.
[[nodiscard]] SettingValue words(std::vector<std::string>& member, Check check,
                                 bool or_none = false);
// Up to four octal digits, at most 0777.
[[nodiscard]] SettingValue mode(mode_t& member);
[[nodiscard]] SettingValue yes_no(bool& member);

// Decimal digits, `min` to `max`, given to `store`.
[[nodiscard]] SettingValue number(std::uint64_t min, std::uint64_t max,
                                  std::function<void(std::uint64_t)> store);
// A length of time (parse_duration()) of `min` to `max` seconds; without a letter in `unit`.
[[nodiscard]] SettingValue duration(char unit, std::int64_t min, std::int64_t max,
                                    std::function<void(std::int64_t)> store);
// One of `words`, which stand separated by one blank; `store` is given its index.
[[nodiscard]] SettingValue choice(std::string_view words, std::function<void(std::size_t)> store);

// The same, into members.  `scale`: what the member counts in one of what an operator counts.
template <class T>
[[nodiscard]] SettingValue number(T& member, std::uint64_t min, std::uint64_t max, T scale = 1) {
  return number(min, max,
                [&member, scale](std::uint64_t n) { member = static_cast<T>(n) * scale; });
}
template <class T>
[[nodiscard]] SettingValue duration(T& member, char unit, std::int64_t min, std::int64_t max,
                                    T scale = 1) {
  return duration(unit, min, max,
                  [&member, scale](std::int64_t n) { member = static_cast<T>(n) * scale; });
}
// The words are the values of `Enum` in their order.
template <class Enum>
[[nodiscard]] SettingValue choice(Enum& member, std::string_view words) {
  return choice(words, [&member](std::size_t index) { member = static_cast<Enum>(index); });
}

}  // namespace setting

}  // namespace qv

#endif  // QV_CONTROL_SETTINGS_H_
