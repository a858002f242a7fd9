// SPDX-License-Identifier: 0BSD
#include "maps/map.h"

namespace qv {

void Map::lookup_many(std::span<const std::string_view> keys, const Told& told) {
  std::string value;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Result<Answer> answer = lookup(keys[i], value);
    told(i, answer, value);
  }
}

Result<Answer> Map::update(std::string_view /*key*/, std::string_view /*value*/) {
  return Error{Fault::denied, 0, "this table cannot be written"};
}

Result<Answer> Map::erase(std::string_view /*key*/) {
  return Error{Fault::denied, 0, "this table cannot be written"};
}

Result<Answer> Map::sequence(Step /*step*/, std::string& /*key*/, std::string& /*value*/) {
  return Error{Fault::denied, 0, "this table cannot be listed"};
}

}  // namespace qv
