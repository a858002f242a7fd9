// SPDX-License-Identifier: 0BSD
#include "proxymap/allow_list.h"

#include <utility>

#include "core/text.h"
#include "maps/spec.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

namespace {
constexpr std::string_view kPrefix = "proxy:";
}

AllowList::AllowList(std::string path, Complain complain, control::WallClock clock)
    : path_(std::move(path)), complain_(std::move(complain)), lines_(clock, 0) {
  follow(0);
}

void AllowList::follow(std::int64_t now_us) {
  const control::Reload reload = lines_.refresh(now_us, [this](auto& files) {
    return control::read_control_file(path_, files.emplace_back());
  });
  if (reload == control::Reload::taken) return use(*lines_.value());
  const std::string trouble = lines_.take_trouble();
  if (!trouble.empty()) complain_({path_, 0, trouble + "; the old list stays in force"});
}

bool AllowList::parse_line(const control::ControlLine& line, Tables& tables) const {
  std::vector<std::string_view> elements;
  if (!maps::split_list(line.text, elements)) {
    complain_({path_, line.number, "a { or } lacks its partner"});
    return false;
  }
  for (const std::string_view element : elements) {
    std::string_view table;
    if (!parse_proxied(element, table)) {
      complain_({path_, line.number,
                 "\"" + std::string(element) + "\" is not of the form proxy:type:name"});
      return false;
    }
    tables.emplace(table);
  }
  return true;
}

void AllowList::use(const control::ControlLines& lines) {
  const bool is_first = !used_;
  if (!is_first && lines == *used_) return;
  used_ = lines;
  Tables tables;
  bool whole = true;
  if (!lines && !tables_.empty()) complain_({path_, 0, "the file is gone"});
  if (lines) {
    for (const control::ControlLine& line : *lines) whole = parse_line(line, tables) && whole;
  }
  if (!whole && !is_first) {
    complain_({path_, 0, "not taken over; the old list stays in force"});
    return;
  }
  // At the start there is no old list: the entries without a mistake are approved.
  tables_ = std::move(tables);
}

bool parse_proxied(std::string_view element, std::string_view& table) {
  element = maps::strip_braces(element);
  table = wire::proxymap::strip_proxy(element);
  std::string_view type;
  std::string_view name;
  return starts_with(element, kPrefix) && maps::split_type(table, type, name);
}

std::string approving_line(std::string_view table) {
  const bool braces = table.find_first_of(" \t\r\n,") != std::string_view::npos;
  const std::string entry = std::string(kPrefix) + std::string(table);
  return braces ? "{ " + entry + " }" : entry;
}

}  // namespace qv::proxymap
