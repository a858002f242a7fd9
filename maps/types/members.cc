// SPDX-License-Identifier: 0BSD
// unionmap:{ type:name, type:name } - asks every table and joins what they say with commas.
// pipemap:{ type:name, type:name } - the value the first table finds is the key of the second, and
// so on.
//
// As Postfix's: a key is absent from a union where it is absent from all tables, and from a pipe
// where one of them has no value.  A fault of one table is a fault of the whole.
// Manual: qmail-map-static(5).
#include <algorithm>
#include <optional>
#include <utility>

#include "maps/open.h"
#include "maps/spec.h"

namespace qv::maps {

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

using Members = std::vector<std::unique_ptr<Map>>;

// Opens each table of `{ type:name, type:name }`.  Errors: no such list, an empty one, nested
// deeper than kMaxDepth (config), or the Error of a member; `detail` names the member.
Result<Members> open_members(const MapSpec& spec, std::string& detail) {
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
  Members members;
  std::string warnings;
  for (const std::string_view element : elements) {
    QV_TRY(std::unique_ptr<Map> map, open_map(element, spec.options, detail));
    if (!detail.empty()) warnings += (warnings.empty() ? "" : "\n") + detail;
    members.push_back(std::move(map));
  }
  detail = warnings;
  return members;
}

class MembersMap : public Map {
 public:
  explicit MembersMap(Members members) : members_(std::move(members)) {
    for (const auto& map : members_) {
      for (const control::SourceStamp& source : map->sources()) sources_.push_back(source);
    }
  }

 protected:
  Result<Answer> ask(Map& map, std::string_view key, std::string& value) {
    Result<Answer> answer = map.lookup(key, value);
    if (!answer.ok()) detail_ = map.detail();
    return answer;
  }

  Members members_;
};

class UnionMap final : public MembersMap {
 public:
  using MembersMap::MembersMap;

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    std::optional<std::string> joined;
    for (const auto& map : members_) {
      std::string one;
      QV_TRY(const Answer answer, ask(*map, key, one));
      if (answer == Answer::found) joined = joined ? *joined + "," + one : one;
    }
    if (!joined) return Answer::absent;
    value = std::move(*joined);
    return Answer::found;
  }
  bool is_pattern() const override {
    return std::any_of(members_.begin(), members_.end(),
                       [](const auto& map) { return map->is_pattern(); });
  }
  bool is_empty() override {
    return std::all_of(members_.begin(), members_.end(),
                       [](const auto& map) { return map->is_empty(); });
  }
};

class PipeMap final : public MembersMap {
 public:
  using MembersMap::MembersMap;

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    std::string current(key);
    for (const auto& map : members_) {
      std::string next;
      QV_TRY(const Answer answer, ask(*map, current, next));
      if (answer == Answer::absent) return answer;
      current = std::move(next);
    }
    value = std::move(current);
    return Answer::found;
  }
  // The keys of all others come from tables.
  bool is_pattern() const override { return members_.front()->is_pattern(); }
  bool is_empty() override {
    return std::any_of(members_.begin(), members_.end(),
                       [](const auto& map) { return map->is_empty(); });
  }
};

template <class Kind>
Result<std::unique_ptr<Map>> open(const MapSpec& spec, std::string& detail) {
  QV_TRY(Members members, open_members(spec, detail));
  return std::unique_ptr<Map>(std::make_unique<Kind>(std::move(members)));
}

}  // namespace

extern const MapType map_type_unionmap{
    "unionmap", {}, "{ type:name, ... }: the values of all these tables, joined", open<UnionMap>};

extern const MapType map_type_pipemap{
    "pipemap",
    {},
    "{ type:name, ... }: the value of each table is the key of the next",
    open<PipeMap>};

}  // namespace qv::maps
