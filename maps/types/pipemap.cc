// SPDX-License-Identifier: 0BSD
// pipemap:{ type:name, type:name } - the value the first table finds is the key of the second, and
// so on.
//
// As Postfix's: absent where one of them is, a fault where one of them cannot say.
// Manual: qmail-map-static(5).
#include <utility>

#include "maps/types/member_maps.h"

namespace qv {

namespace {

class PipeMap final : public Map {
 public:
  explicit PipeMap(MemberMaps members) : members_(std::move(members)) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    std::string current(key);
    for (const auto& map : members_.maps()) {
      std::string next;
      const Result<Answer> said = map->lookup(current, next);
      if (!said.ok()) {
        detail_ = map->detail();
        return said;
      }
      if (said.value() == Answer::absent) return Answer::absent;
      current = std::move(next);
    }
    value = std::move(current);
    return Answer::found;
  }
  // The keys of the others come from tables.
  bool is_pattern() const override { return members_.first_pattern(); }
  bool is_empty() override { return members_.any_empty(); }
  void sources(std::vector<SourceStamp>& out) const override { members_.sources(out); }
  std::string detail() const override { return detail_; }

 private:
  MemberMaps members_;
  std::string detail_;
};

Result<std::unique_ptr<Map>> open_pipe(const MapSpec& spec, std::string& detail) {
  QV_TRY(MemberMaps members, MemberMaps::open(spec, detail));
  return std::unique_ptr<Map>(std::make_unique<PipeMap>(std::move(members)));
}

}  // namespace

extern const MapType map_type_pipemap;
const MapType map_type_pipemap{
    "pipemap", {}, "{ type:name, ... }: each table asked for what the one before said", open_pipe};

}  // namespace qv
