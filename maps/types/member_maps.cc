// SPDX-License-Identifier: 0BSD
#include "maps/types/member_maps.h"

#include <algorithm>

#include "maps/open.h"
#include "maps/spec.h"

namespace qv {

namespace {

constexpr int kMaxDepth = 8;

int depth_of(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  for (const char c : text) {
    if (c == '{') deepest = std::max(deepest, ++depth);
    if (c == '}') --depth;
  }
  return deepest;
}

}  // namespace

Result<MemberMaps> MemberMaps::open(const MapSpec& spec, std::string& detail) {
  const auto fail = [&](const char* reason) {
    detail = spec.type + ":" + spec.name + ": " + reason;
    return Error{Fault::config, 0, "list of tables"};
  };
  if (depth_of(spec.name) > kMaxDepth) return fail("nested too deeply");
  std::vector<std::string_view> elements;
  if (!is_braced(trim_white(spec.name)) || !split_list(strip_braces(spec.name), elements)) {
    return fail("write { type:name, type:name }");
  }
  if (elements.empty()) return fail("no table");
  // A member is only read, whatever the whole is opened for.
  MapOptions options = spec.options;
  options.for_update = false;
  MemberMaps members;
  std::string warnings;
  for (const std::string_view element : elements) {
    std::string said;
    Result<std::unique_ptr<Map>> map = open_map(element, options, said);
    if (!map.ok()) {
      detail = said;
      return map.error();
    }
    if (!said.empty()) warnings += (warnings.empty() ? "" : "\n") + said;
    members.maps_.push_back(std::move(map).value());
  }
  detail = warnings;
  return members;
}

bool MemberMaps::any_pattern() const {
  return std::any_of(maps_.begin(), maps_.end(), [](const auto& map) { return map->is_pattern(); });
}

bool MemberMaps::all_empty() {
  return std::all_of(maps_.begin(), maps_.end(), [](const auto& map) { return map->is_empty(); });
}

bool MemberMaps::any_empty() {
  return std::any_of(maps_.begin(), maps_.end(), [](const auto& map) { return map->is_empty(); });
}

void MemberMaps::sources(std::vector<SourceStamp>& out) const {
  for (const auto& map : maps_) map->sources(out);
}

}  // namespace qv
