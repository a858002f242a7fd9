// SPDX-License-Identifier: 0BSD
// maps/types/member_maps.h - the tables a unionmap or pipemap is made of.
#ifndef QV_MAPS_TYPES_MEMBER_MAPS_H_
#define QV_MAPS_TYPES_MEMBER_MAPS_H_

#include <memory>
#include <string>
#include <vector>

#include "maps/map.h"

namespace qv {

class MemberMaps {
 public:
  // Opens each table of `{ type:name, type:name }`.  Errors: no such list, an empty one, nested
  // deeper than 8 (config), or what opening a member says; `detail` names the member.
  [[nodiscard]] static Result<MemberMaps> open(const MapSpec& spec, std::string& detail);

  [[nodiscard]] std::vector<std::unique_ptr<Map>>& maps() { return maps_; }
  [[nodiscard]] bool any_pattern() const;
  [[nodiscard]] bool first_pattern() const { return maps_.front()->is_pattern(); }
  [[nodiscard]] bool all_empty();
  [[nodiscard]] bool any_empty();
  void sources(std::vector<SourceStamp>& out) const;

 private:
  std::vector<std::unique_ptr<Map>> maps_;
};

}  // namespace qv

#endif  // QV_MAPS_TYPES_MEMBER_MAPS_H_
