// SPDX-License-Identifier: 0BSD
// unionmap:{ type:name, type:name } - asks every table and joins what they say with commas.
//
// As Postfix's: found where one of them finds, absent where all of them say so, a fault where one
// of them cannot say.  Manual: qmail-map-static(5).
#include <utility>

#include "maps/types/member_maps.h"

namespace qv {

namespace {

class UnionMap final : public Map {
 public:
  explicit UnionMap(MemberMaps members) : members_(std::move(members)) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    std::string joined;
    Answer answer = Answer::absent;
    for (const auto& map : members_.maps()) {
      std::string one;
      const Result<Answer> said = map->lookup(key, one);
      if (!said.ok()) {
        detail_ = map->detail();
        return said;
      }
      if (said.value() == Answer::absent) continue;
      if (answer == Answer::found) joined += ',';
      joined += one;
      answer = Answer::found;
    }
    if (answer == Answer::found) value = std::move(joined);
    return answer;
  }
  bool is_pattern() const override { return members_.any_pattern(); }
  bool is_empty() override { return members_.all_empty(); }
  void sources(std::vector<SourceStamp>& out) const override { members_.sources(out); }
  std::string detail() const override { return detail_; }

 private:
  MemberMaps members_;
  std::string detail_;
};

Result<std::unique_ptr<Map>> open_union(const MapSpec& spec, std::string& detail) {
  QV_TRY(MemberMaps members, MemberMaps::open(spec, detail));
  return std::unique_ptr<Map>(std::make_unique<UnionMap>(std::move(members)));
}

}  // namespace

extern const MapType map_type_unionmap;
const MapType map_type_unionmap{
    "unionmap", {}, "{ type:name, ... }: what each of the tables says, joined", open_union};

}  // namespace qv
