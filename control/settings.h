// SPDX-License-Identifier: 0BSD
// control/settings.h - a program's settings: rows of a table, bound to members of a struct.
//
// A row has the setting's name, its type and the member for its value, the default as an operator
// would write it, and a line for --help.  Settings reads the rows and reports every error.  In
// every program the first of these sources with a value counts:
//
//   1. the command line: -o name=value
//   2. the environment: NAME, then the row's aliases, then the name as written
//   3. control/NAME below qmailhome: its lines, without comments, joined by a blank
//
// Settings of the process (listen, account) are not read from control/, which several programs
// share. An empty value counts as set.  Tests: tests/control/settings_test.cc
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

namespace qv::control {

// A type, bound to a member.
struct SettingValue {
  // Sets the member and returns "", or leaves it unchanged and returns the errors in the text,
  // separated by NULs, which no value contains.
  std::function<std::string(std::string_view)> read;
  std::string form = {};  // the possible values, for --help: "all reject none"
};

inline constexpr bool kOfProcess = true;

struct Setting {
  std::string_view name;  // in lower case; Postfix's name where Postfix has such a setting
  SettingValue value;
  std::string_view fallback = {};  // the default; $qmailhome means the value of that setting
  std::string_view help = {};      // one line: its effect, with its unit
  std::string_view aliases = {};   // other names in the environment, separated by one blank
  bool of_process = false;         // not read from control/
};

struct SettingSources {
  using Environment = std::function<std::optional<std::string>(std::string_view)>;
  std::map<std::string, std::string, std::less<>> given;  // -o
  Environment environment;

  // Adds NAME=VALUE without the blanks around both; false: another form.
  [[nodiscard]] bool give(std::string_view text);
};

// The process's own environment.
[[nodiscard]] std::optional<std::string> from_environment(std::string_view name);

class Settings {
 public:
  // REQUIRES: the members outlive this object; `qmailhome` is the first row.
  explicit Settings(std::vector<Setting> rows);

  // Reads every row into its member.  Errors are added to `problems`, and the default is used: a
  // value that its type does not accept, an unreadable control file, a -o without such a setting.
  void read(const SettingSources& sources, std::vector<Problem>& problems);

  // The source of the value of `name`: "control/NAME:1", "environment NAME", "-o NAME", or the name
  // alone for the default.  REQUIRES: there is such a row.
  [[nodiscard]] std::string place(std::string_view name) const;

  // For --help: each setting, its names in the environment, its value and the source of that.
  [[nodiscard]] std::string describe() const;

 private:
  struct Row {
    Setting setting;
    std::string value = {};
    std::string source = "default";
  };
  [[nodiscard]] bool find(Row& row, const SettingSources& sources, std::vector<Problem>& problems);
  [[nodiscard]] static bool find_in_environment(Row& row, const SettingSources& sources);
  void read_row(Row& row, const SettingSources& sources, std::vector<Problem>& problems);

  std::vector<Row> rows_;
  std::string home_;
};

inline constexpr std::int64_t kMaxDuration_s = 100LL * 366 * 86400;

// Seconds of a time as in Postfix, "31d", "3h", "90": decimal digits and one letter: s, m, h, d, w
// (any case).  Without a letter, `unit` (one of those letters) applies.  nullopt on anything else,
// and past kMaxDuration_s.
[[nodiscard]] std::optional<std::int64_t> parse_duration(std::string_view text, char unit);

// The types.  Each binds a member, which must outlive the result.
namespace setting {

// The error in a word, or "".
using Check = std::string (*)(std::string_view word);

[[nodiscard]] SettingValue text(std::string& member, setting::Check check = nullptr);
// A text that begins with a slash; `or_none`: or an empty one.
[[nodiscard]] SettingValue path(std::string& member, bool or_none = false);
// Words separated by blanks, each checked; at least one, unless `or_none`.
[[nodiscard]] SettingValue words(std::vector<std::string>& member, setting::Check check,
                                 bool or_none = false);
// Up to four octal digits, at most 0777.
[[nodiscard]] SettingValue mode(mode_t& member);
[[nodiscard]] SettingValue yes_no(bool& member);

// Decimal digits, `min` to `max`, passed to `store`.
[[nodiscard]] SettingValue number(std::uint64_t min, std::uint64_t max,
                                  std::function<void(std::uint64_t)> store);
// A length of time (parse_duration()) of `min` to `max` seconds; without a letter in `unit`.
[[nodiscard]] SettingValue duration(char unit, std::int64_t min, std::int64_t max,
                                    std::function<void(std::int64_t)> store);
// One of `words`, which are separated by one blank; its index is passed to `store`.
[[nodiscard]] SettingValue choice(std::string_view words, std::function<void(std::size_t)> store);

// The same, into members.  `scale`: the member's units per unit of the setting.
template <class T>
[[nodiscard]] SettingValue number(T& member, std::uint64_t min, std::uint64_t max, T scale = 1) {
  return setting::number(min, max,
                         [&member, scale](std::uint64_t n) { member = static_cast<T>(n) * scale; });
}
template <class T>
[[nodiscard]] SettingValue duration(T& member, char unit, std::int64_t min, std::int64_t max,
                                    T scale = 1) {
  return setting::duration(
      unit, min, max, [&member, scale](std::int64_t n) { member = static_cast<T>(n) * scale; });
}
// The words are the values of `Enum` in their order.
template <class Enum>
[[nodiscard]] SettingValue choice(Enum& member, std::string_view words) {
  return setting::choice(words,
                         [&member](std::size_t index) { member = static_cast<Enum>(index); });
}

}  // namespace setting

}  // namespace qv::control

#endif  // QV_CONTROL_SETTINGS_H_
