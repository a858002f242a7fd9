// SPDX-License-Identifier: 0BSD
#include "maps/map_kind.h"

#include <vector>

#include "maps/open.h"
#include "maps/spec.h"

namespace qv {

namespace {

constexpr int kMaxNesting = 8;

MapKind kind_within(std::string_view table, int depth) {
  MapKind kind;
  std::string_view type;
  std::string_view name;
  if (!split_type(strip_braces(table), type, name)) return kind;
  const std::optional<Traits> found = traits_of(type);
  if (!found) return kind;
  kind = {found->networked, found->pattern, true};
  const bool is_pipe = type == "pipemap";
  if ((type != "unionmap" && !is_pipe) || depth == kMaxNesting) return kind;
  std::vector<std::string_view> members;
  if (!split_list(strip_braces(name), members)) return kind;
  for (const std::string_view& member : members) {
    const MapKind inner = kind_within(member, depth + 1);
    kind.networked = kind.networked || inner.networked;
    // What a pipe is asked goes to its first table.
    if (!is_pipe || &member == &members.front()) kind.pattern = kind.pattern || inner.pattern;
  }
  return kind;
}

}  // namespace

MapKind kind_of(std::string_view table) { return kind_within(table, 0); }

}  // namespace qv
