// SPDX-License-Identifier: 0BSD
#include "control/settings.h"

#include <cstdlib>

#include "core/check.h"
#include "core/text.h"

namespace qv {

namespace {

// Index of `word` among the blank-separated `choices`, or nullopt.
std::optional<std::size_t> choice_index(std::string_view choices, std::string_view word) {
  for (std::size_t index = 0; !choices.empty(); ++index) {
    if (take_until(choices, ' ') == word) return index;
  }
  return std::nullopt;
}

// What is wrong with `value`; empty where nothing is.
std::string complaint(const Setting& setting, std::string_view value) {
  std::uint64_t number = 0;
  switch (setting.type) {
    case SettingType::text:
      return {};
    case SettingType::number:
      if (parse_decimal(value, setting.max, number) && number >= setting.min) return {};
      return "\"" + std::string(value) + "\" is not a number from " + std::to_string(setting.min) +
             " to " + std::to_string(setting.max);
    case SettingType::choice:
      if (choice_index(setting.choices, value)) return {};
      return "\"" + std::string(value) + "\" is none of: " + std::string(setting.choices);
  }
  return {};
}

}  // namespace

Settings::Settings(std::span<const Setting> table, const Source& source,
                   std::vector<Problem>& problems)
    : table_(table) {
  for (const Setting& setting : table) {
    std::string value(setting.fallback);
    if (std::optional<std::string> given = source(setting.name)) {
      std::string wrong = complaint(setting, *given);
      if (wrong.empty()) {
        value = *std::move(given);
      } else {
        problems.push_back({std::string(setting.name), 0, std::move(wrong)});
      }
    }
    values_.emplace(setting.name, std::move(value));
  }
}

const Setting& Settings::find(std::string_view name, SettingType type) const {
  std::size_t i = 0;
  while (i < table_.size() && (table_[i].name != name || table_[i].type != type)) ++i;
  QV_CHECK(i < table_.size());
  return table_[i];
}

const std::string& Settings::text(std::string_view name) const {
  return values_.find(find(name, SettingType::text).name)->second;
}

std::vector<std::string> Settings::words(std::string_view name) const {
  std::vector<std::string> words;
  std::string_view rest = text(name);
  while (!rest.empty()) {
    const std::string_view word = take_until(rest, ' ');
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

std::uint64_t Settings::number(std::string_view name) const {
  const Setting& setting = find(name, SettingType::number);
  std::uint64_t value = 0;
  QV_CHECK(parse_decimal(values_.find(name)->second, setting.max, value));
  return value;
}

std::size_t Settings::choice(std::string_view name) const {
  const Setting& setting = find(name, SettingType::choice);
  const std::optional<std::size_t> index =
      choice_index(setting.choices, values_.find(name)->second);
  QV_CHECK(index.has_value());
  return *index;
}

std::optional<std::string> from_environment(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string describe(std::span<const Setting> table) {
  std::string out;
  for (const Setting& setting : table) {
    out += "  " + std::string(setting.name);
    if (!setting.choices.empty()) out += " (" + std::string(setting.choices) + ")";
    out += "\n        " + std::string(setting.help);
    out += setting.fallback.empty() ? "" : " [" + std::string(setting.fallback) + "]";
    out += '\n';
  }
  return out;
}

}  // namespace qv
