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

AllowList::AllowList(std::string path, Complain complain, WallClock clock)
    : path_(std::move(path)), complain_(std::move(complain)), lines_(clock, 0) {
  follow(0);
}

bool AllowList::approves(std::string_view table) const {
  return tables_.find(table) != tables_.end();
}

void AllowList::follow(std::int64_t now_us) {
  switch (lines_.refresh(
      now_us, [this](auto& files) { return read_control_file(path_, files.emplace_back()); })) {
    case Reload::none:
      return;
    case Reload::failed:
      if (const std::string trouble = lines_.take_trouble(); !trouble.empty()) {
        complain_({path_, 0, trouble + "; the list read before stays"});
      }
      return;
    case Reload::taken:
      return use(*lines_.value());
  }
}

bool AllowList::parse_line(const ControlLine& line, Tables& tables) const {
  std::vector<std::string_view> elements;
  if (!split_list(line.text, elements)) {
    complain_({path_, line.number, "a { or } lacks its partner"});
    return false;
  }
  for (std::string_view element : elements) {
    element = strip_braces(element);
    std::string_view type;
    std::string_view name;
    const std::string_view table = strip_proxy(element);
    if (!starts_with(element, kPrefix) || !split_type(table, type, name)) {
      complain_({path_, line.number,
                 "\"" + std::string(element) + "\" is not of the form proxy:type:name"});
      return false;
    }
    tables.emplace(table);
  }
  return true;
}

void AllowList::use(const ControlLines& lines) {
  if (generation_ > 1 && lines == used_) return;
  used_ = lines;
  Tables tables;
  bool whole = true;
  if (!lines && !tables_.empty()) complain_({path_, 0, "there is no such file any more"});
  if (lines) {
    for (const ControlLine& line : *lines) whole = parse_line(line, tables) && whole;
  }
  if (!whole && generation_ > 1) {
    complain_({path_, 0, "not taken over; the list read before stays"});
    return;
  }
  // At the start there is none before: what can be understood is approved.
  tables_ = std::move(tables);
  ++generation_;
}

std::string approving_line(std::string_view table) {
  const bool braces = table.find_first_of(" \t\r\n,") != std::string_view::npos;
  const std::string entry = std::string(kPrefix) + std::string(table);
  return braces ? "{ " + entry + " }" : entry;
}

}  // namespace qv::proxymap
