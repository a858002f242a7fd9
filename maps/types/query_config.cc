// SPDX-License-Identifier: 0BSD
#include "maps/types/query_config.h"

#include <utility>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/text_table.h"

namespace qv {

Result<QueryConfig> QueryConfig::parse(std::string_view text, std::string_view where,
                                       std::string& detail) {
  QueryConfig config;
  config.where_ = where;
  LogicalLines lines(text);
  const auto fail = [&](const std::string& wrong) {
    detail = std::string(where) + ":" + std::to_string(lines.number()) + ": " + wrong;
    return Error{Fault::config, 0, "table configuration"};
  };
  for (;;) {
    std::string_view line;
    QV_TRY(const Answer more, lines.next(line));
    if (more == Answer::absent) return config;
    std::string_view name;
    std::string_view value;
    if (!split_assignment(line, name, value)) return fail("expected name = value");
    if (!config.values_.try_emplace(std::string(name), value).second) {
      return fail(std::string(name) + " is set twice");
    }
  }
}

Result<QueryConfig> QueryConfig::read(const std::string& path, std::string& detail) {
  SourceStamp stamp;
  QV_TRY(const std::string text, read_source(path, stamp, detail));
  QV_TRY(QueryConfig config, parse(text, path, detail));
  config.stamp_ = std::move(stamp);
  return config;
}

std::string QueryConfig::text(const std::string& name, std::string_view fallback) {
  asked_.insert(name);
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(fallback) : found->second;
}

void QueryConfig::note(const std::string& problem) { noted_.push_back(problem); }

std::uint64_t QueryConfig::number(const std::string& name, std::uint64_t fallback,
                                  std::uint64_t min, std::uint64_t max) {
  if (!has(name)) return asked_.insert(name), fallback;
  const std::string value = text(name);
  std::uint64_t out = 0;
  if (parse_decimal(value, max, out) && out >= min) return out;
  note(name + " = " + value + ": not a number from " + std::to_string(min) + " to " +
       std::to_string(max));
  return fallback;
}

int QueryConfig::milliseconds(const std::string& name, std::uint64_t fallback_seconds) {
  constexpr std::uint64_t kMaxSeconds = 3600;
  const std::string value = text(name, std::to_string(fallback_seconds));
  std::string_view digits = value;
  std::uint64_t unit = 1;
  if (ends_with(digits, "s") || ends_with(digits, "m")) {
    unit = digits.back() == 'm' ? 60 : 1;
    digits.remove_suffix(1);
  }
  std::uint64_t count = 0;
  if (!parse_decimal(digits, kMaxSeconds, count) || count == 0 || count * unit > kMaxSeconds) {
    note(name + " = " + value + ": not a time from 1s to 60m");
    return static_cast<int>(fallback_seconds * 1000);
  }
  return static_cast<int>(count * unit * 1000);
}

bool QueryConfig::yes(const std::string& name, bool fallback) {
  const std::string value = text(name, fallback ? "yes" : "no");
  if (value == "yes") return true;
  if (value != "no") note(name + " = " + value + ": write yes or no");
  return false;
}

std::vector<std::string> QueryConfig::list(const std::string& name, std::string_view fallback) {
  const std::string value = text(name, fallback);
  std::vector<std::string_view> elements;
  if (!split_list(value, elements)) note(name + ": a brace lacks its partner");
  return {elements.begin(), elements.end()};
}

std::string QueryConfig::problems(const std::vector<std::string>& needed) const {
  std::string out;
  const auto add = [&](const std::string& line) {
    if (!out.empty()) out += '\n';
    out += where_ + ": " + line;
  };
  for (const std::string& problem : noted_) add(problem);
  for (const std::string& name : needed) {
    if (!has(name)) add(name + " is missing");
  }
  for (const auto& [name, value] : values_) {
    if (asked_.count(name) == 0) add(name + " is not a parameter of this table type");
  }
  return out;
}

}  // namespace qv
