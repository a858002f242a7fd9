// SPDX-License-Identifier: 0BSD
#include "control/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "control/reloaded.h"
#include "core/check.h"
#include "core/text.h"

namespace qv::control {

namespace {

constexpr std::string_view kHome = "qmailhome";

std::string upper(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), ascii_upper);
  return out;
}

std::string unreadable(const Error& error) { return "cannot be read: " + describe(error); }

std::string on_one_line(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !is_printable(c); }, '?');
  return out;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace

bool SettingSources::give(std::string_view text) {
  const std::size_t equals = find_byte(text, '=');
  const std::string name(trim_blanks(first_bytes(text, equals)));
  if (equals == text.size() || name.empty()) return false;
  given[name] = std::string(trim_blanks(after_bytes(text, equals + 1)));
  return true;
}

std::optional<std::string> from_environment(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

Settings::Settings(std::vector<Setting> rows) {
  QV_CHECK(!rows.empty() && rows.front().name == kHome);
  for (Setting& row : rows) rows_.push_back({.setting = std::move(row)});
}

bool Settings::find_in_environment(Row& row, const SettingSources& sources) {
  const auto find_one = [&](const std::string& name) {
    std::optional<std::string> value = sources.environment(name);
    if (!value) return false;
    row.value = *std::move(value);
    row.source = "environment " + name;
    return true;
  };
  if (find_one(upper(row.setting.name))) return true;
  std::string_view aliases = row.setting.aliases;
  while (!aliases.empty()) {
    if (find_one(std::string(take_until(aliases, ' ')))) return true;
  }
  return find_one(std::string(row.setting.name));
}

bool Settings::find(Row& row, const SettingSources& sources, std::vector<Problem>& problems) {
  const auto given = sources.given.find(row.setting.name);
  if (given != sources.given.end()) {
    row.value = given->second;
    row.source = "-o " + given->first;
    return true;
  }
  if (find_in_environment(row, sources)) return true;
  if (row.setting.of_process) return false;
  const std::string file = "control/" + std::string(row.setting.name);
  const auto lines = read_control_file(home_ + "/" + file);
  if (!lines.ok()) problems.push_back({file, 0, unreadable(lines.error())});
  if (!lines.ok() || !lines.value()) return false;
  row.source = file;
  if (!lines.value()->empty()) row.source += ":" + std::to_string(lines.value()->front().number);
  for (const ControlLine& line : *lines.value()) {
    row.value += (row.value.empty() ? "" : " ") + line.text;
  }
  return true;
}

void Settings::read_row(Row& row, const SettingSources& sources, std::vector<Problem>& problems) {
  row.value.clear();
  std::string fallback(row.setting.fallback);
  const std::size_t home = fallback.find("$qmailhome");
  if (home != std::string::npos) fallback.replace(home, kHome.size() + 1, home_);
  const bool found = find(row, sources, problems);
  if (found) {
    const std::string errors = row.setting.value.read(row.value);
    if (errors.empty()) return;
    std::string_view rest = errors;
    while (!rest.empty()) problems.push_back({row.source, 0, on_one_line(take_until(rest, '\0'))});
  }
  row.value = fallback;
  std::string wrong = row.setting.value.read(fallback);
  // A default that is not accepted belongs to a setting that must be set.
  const std::string_view place = row.setting.of_process ? "" : "control/";
  if (!found && !wrong.empty()) {
    problems.push_back({std::string(place) + std::string(row.setting.name), 0, std::move(wrong)});
  }
}

void Settings::read(const SettingSources& sources, std::vector<Problem>& problems) {
  for (Row& row : rows_) {
    row.source = "default";
    read_row(row, sources, problems);
    if (row.setting.name == kHome) home_ = row.value;
  }
  for (const auto& given : sources.given) {
    const auto is_meant = [&given](const Row& row) { return row.setting.name == given.first; };
    if (std::none_of(rows_.begin(), rows_.end(), is_meant)) {
      problems.push_back({"-o " + given.first, 0, "there is no such setting"});
    }
  }
}

std::string Settings::place(std::string_view name) const {
  for (const Row& row : rows_) {
    if (row.setting.name == name) return row.source == "default" ? std::string(name) : row.source;
  }
  QV_CHECK(false);
}

std::string Settings::describe() const {
  std::string out;
  for (const Row& row : rows_) {
    out += "  " + std::string(row.setting.name);
    if (!row.setting.value.form.empty()) out += " (" + row.setting.value.form + ")";
    out += ", " + upper(row.setting.name);
    if (!row.setting.aliases.empty()) out += " " + std::string(row.setting.aliases);
    out += "\n        " + std::string(row.setting.help) + "\n        " + quoted(row.value) + ", " +
           row.source + "\n";
  }
  return out;
}

std::optional<std::int64_t> parse_duration(std::string_view text, char unit) {
  constexpr std::string_view kUnits = "smhdw";
  constexpr std::int64_t kSeconds[] = {1, 60, 3600, 86400, 604800};
  if (!text.empty() && !is_digit(text.back())) {
    unit = ascii_lower(text.back());
    text.remove_suffix(1);
  }
  const std::size_t at = find_byte(kUnits, unit);
  if (at == kUnits.size()) return std::nullopt;
  std::uint64_t number = 0;
  const auto most = static_cast<std::uint64_t>(kMaxDuration_s / kSeconds[at]);
  if (!parse_decimal(text, most, number)) return std::nullopt;
  return static_cast<std::int64_t>(number) * kSeconds[at];
}

namespace setting {

SettingValue text(std::string& member, setting::Check check) {
  return {[&member, check](std::string_view value) {
    std::string wrong = check == nullptr ? std::string() : check(value);
    if (wrong.empty()) member = value;
    return wrong;
  }};
}

SettingValue path(std::string& member, bool or_none) {
  return {[&member, or_none](std::string_view value) -> std::string {
    if (!starts_with(value, "/") && !(or_none && value.empty())) {
      return quoted(value) + " does not begin with a slash";
    }
    member = value;
    return {};
  }};
}

SettingValue words(std::vector<std::string>& member, setting::Check check, bool or_none) {
  return {[&member, check, or_none](std::string_view value) -> std::string {
    std::vector<std::string> found;
    std::string wrong;
    while (!value.empty()) {
      const std::string_view word = take_until(value, ' ');
      if (word.empty()) continue;
      const std::string mistake = check(word);
      if (!mistake.empty())
        wrong += std::string(wrong.empty() ? 0 : 1, '\0') + quoted(word) + ": " + mistake;
      found.emplace_back(word);
    }
    if (!wrong.empty()) return wrong;
    if (found.empty() && !or_none) return "holds nothing";
    member = std::move(found);
    return {};
  }};
}

SettingValue mode(mode_t& member) {
  return {[&member](std::string_view value) -> std::string {
    mode_t number = 0;
    const char* const end = value.data() + value.size();
    const bool is_octal = std::from_chars(value.data(), end, number, 8).ptr == end;
    if (!is_octal || value.empty() || value.size() > 4 || number > 0777) {
      return quoted(value) + " is no octal mode of at most 0777";
    }
    member = number;
    return {};
  }};
}

SettingValue yes_no(bool& member) {
  return setting::choice("no yes", [&member](std::size_t index) { member = index == 1; });
}

SettingValue number(std::uint64_t min, std::uint64_t max,
                    std::function<void(std::uint64_t)> store) {
  return {[=](std::string_view value) -> std::string {
    std::uint64_t number = 0;
    if (!parse_decimal(value, max, number) || number < min) {
      return quoted(value) + " is not a number from " + std::to_string(min) + " to " +
             std::to_string(max);
    }
    store(number);
    return {};
  }};
}

SettingValue duration(char unit, std::int64_t min, std::int64_t max,
                      std::function<void(std::int64_t)> store) {
  return {[=](std::string_view value) -> std::string {
    const std::optional<std::int64_t> seconds = parse_duration(value, unit);
    if (!seconds || *seconds < min || *seconds > max) {
      return quoted(value) + " is not a time such as 20s, 5m, 2h or 7d, from " +
             std::to_string(min) + " to " + std::to_string(max) + " seconds";
    }
    store(*seconds);
    return {};
  }};
}

SettingValue choice(std::string_view words, std::function<void(std::size_t)> store) {
  const auto read = [=](std::string_view value) -> std::string {
    std::string_view rest = words;
    for (std::size_t index = 0; !rest.empty(); ++index) {
      if (take_until(rest, ' ') != value) continue;
      store(index);
      return {};
    }
    return quoted(value) + " is none of: " + std::string(words);
  };
  return {read, std::string(words)};
}

}  // namespace setting

}  // namespace qv::control
