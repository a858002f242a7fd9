// SPDX-License-Identifier: 0BSD
#include "proxymap/allow_list.h"

#include <errno.h>
#include <sys/stat.h>

#include <utility>

#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/spec.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

namespace {
constexpr std::string_view kPrefix = "proxy:";
}

AllowList::AllowList(std::string path, Complain complain)
    : path_(std::move(path)), complain_(std::move(complain)) {
  follow();
}

bool AllowList::approves(std::string_view table) const {
  return tables_.find(table) != tables_.end();
}

void AllowList::follow() {
  if (has_changed()) read();
}

bool AllowList::has_changed() {
  if (!std::exchange(looked_, true)) return true;
  if (!stamp_) {
    struct stat st {};
    return stat(path_.c_str(), &st) == 0 || !errno_means_absent(errno);
  }
  if (compare_source(*stamp_) != SourceState::same) return true;
  // Changed within the clock's grain of being read: read once more.
  return std::exchange(stamp_->recent, false);
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

void AllowList::read() {
  stamp_.reset();
  Result<Fd> file = open_read(path_.c_str());
  if (!file.ok() && errno_means_absent(file.error().errnum)) {
    if (!tables_.empty()) complain_({path_, 0, "there is no such file any more"});
    tables_.clear();
    ++generation_;
    return;
  }
  // The stamp is taken before the contents: a change in between is seen next time.
  if (file.ok()) {
    Result<SourceStamp> stamp = stamp_file(file.value().get(), path_);
    if (stamp.ok()) stamp_ = std::move(stamp).value();
  }
  const Result<std::optional<std::vector<ControlLine>>> lines = read_control_file(path_);
  if (!lines.ok()) {
    complain_({path_, 0, describe_error(lines.error(), {}) + "; the list read before stays"});
    return;
  }
  Tables tables;
  bool whole = true;
  if (lines.value()) {
    for (const ControlLine& line : *lines.value()) whole = parse_line(line, tables) && whole;
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
