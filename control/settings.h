// SPDX-License-Identifier: 0BSD
// control/settings.h - what an operator may set, declared once per program as a table.
//
// A program lists its settings as an array of Setting; names, types, defaults, bounds and the line
// for --help stand there and nowhere else.  Settings reads them from the environment (or from any
// other source of name and value), reports every mistake, and hands out values by name.
//
// Tests: tests/control/settings_test.cc
#ifndef QV_CONTROL_SETTINGS_H_
#define QV_CONTROL_SETTINGS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"

namespace qv {

enum class SettingType : std::uint8_t {
  text,    // any value
  number,  // decimal, min to max
  choice,  // one of the words of `choices`
};

struct Setting {
  std::string_view name;
  SettingType type = SettingType::text;
  std::string_view fallback;      // the default, in the form an operator would write it
  std::uint64_t min = 0;          // numbers only
  std::uint64_t max = 0;          // numbers only
  std::string_view choices = {};  // choices only: words separated by one space
  std::string_view help = {};     // one line: what it does, with its unit
};

class Settings {
 public:
  // Where values come from: the value of a name, or nullopt where it is not set.
  using Source = std::function<std::optional<std::string>(std::string_view)>;

  // Reads every setting of `table`; a mistake is added to `problems` and the default stays.
  // REQUIRES: `table` outlives this object.
  Settings(std::span<const Setting> table, const Source& source, std::vector<Problem>& problems);

  // REQUIRES: `name` is in the table, and of that type.
  [[nodiscard]] const std::string& text(std::string_view name) const;
  [[nodiscard]] std::uint64_t number(std::string_view name) const;
  // A text split at blanks (' '): no empty words, none at all where the text is empty.
  [[nodiscard]] std::vector<std::string> words(std::string_view name) const;
  // Index of the chosen word among the choices, from 0.
  [[nodiscard]] std::size_t choice(std::string_view name) const;

 private:
  [[nodiscard]] const Setting& find(std::string_view name, SettingType type) const;

  std::span<const Setting> table_;
  std::map<std::string, std::string, std::less<>> values_;
};

// The environment as a Source.  An empty value counts as set.
[[nodiscard]] std::optional<std::string> from_environment(std::string_view name);

// The table as text for --help: one line per setting with its default.
[[nodiscard]] std::string describe(std::span<const Setting> table);

}  // namespace qv

#endif  // QV_CONTROL_SETTINGS_H_
