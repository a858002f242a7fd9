// SPDX-License-Identifier: 0BSD
#include "maps/types/query_config.h"

#include <utility>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/text_table.h"

namespace qv::maps {

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
  control::SourceStamp stamp;
  QV_TRY(const std::string text, read_source(path, stamp, detail));
  QV_TRY(QueryConfig config, parse(text, path, detail));
  config.stamp_ = std::move(stamp);
  return config;
}

std::string QueryConfig::text(const std::string& name, std::string_view fallback) {
  read_.insert(name);
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(fallback) : found->second;
}

std::string QueryConfig::required(const std::string& name) {
  if (!has(name)) add_problem(name + " is missing");
  return text(name);
}

void QueryConfig::add_problem(const std::string& problem) { problems_.push_back(problem); }

std::uint64_t QueryConfig::number(const std::string& name, std::uint64_t fallback,
                                  std::uint64_t min, std::uint64_t max) {
  const std::string value = text(name, std::to_string(fallback));
  std::uint64_t out = 0;
  if (parse_decimal(value, max, out) && out >= min) return out;
  add_problem(name + " = " + value + ": not a number from " + std::to_string(min) + " to " +
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
    add_problem(name + " = " + value + ": not a time from 1s to 60m");
    return static_cast<int>(fallback_seconds * 1000);
  }
  return static_cast<int>(count * unit * 1000);
}

bool QueryConfig::yes(const std::string& name, bool fallback) {
  const std::string value = text(name, fallback ? "yes" : "no");
  if (value == "yes") return true;
  if (value != "no") add_problem(name + " = " + value + ": write yes or no");
  return false;
}

std::vector<std::string> QueryConfig::list(const std::string& name, std::string_view fallback) {
  const std::string value = text(name, fallback);
  std::vector<std::string_view> elements;
  if (!split_list(value, elements)) add_problem(name + ": a brace lacks its partner");
  return {elements.begin(), elements.end()};
}

std::string QueryConfig::problems() const {
  std::string out;
  const auto add = [&](const std::string& line) {
    out += (out.empty() ? "" : "\n") + where_ + ": " + line;
  };
  for (const std::string& problem : problems_) add(problem);
  for (const auto& [name, value] : values_) {
    if (read_.count(name) == 0) add(name + " is not a parameter of this table type");
  }
  return out;
}

ServerHost parse_server_host(std::string_view text) {
  ServerHost host;
  if (starts_with(text, "unix:")) {
    host.path = after_bytes(text, 5);
    return host;
  }
  if (starts_with(text, "inet:")) text = after_bytes(text, 5);
  const std::size_t colon = find_last_byte(text, ':');
  std::string_view name = first_bytes(text, colon);
  const std::string_view port = after_bytes(text, colon + 1);
  const bool bracketed = name.size() > 2 && name.front() == '[' && name.back() == ']';
  if (bracketed) name = name.substr(1, name.size() - 2);
  const bool split = !name.empty() && (bracketed || find_byte(name, ':') == name.size());
  host.name = split && !port.empty() ? name : text;
  host.port = split ? port : std::string_view{};
  return host;
}

}  // namespace qv::maps
