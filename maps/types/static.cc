// SPDX-License-Identifier: 0BSD
// static:VALUE - every key has this value.  As Postfix's static table: `static:{ text with blanks
// }`. Manual: qmail-map-static(5).
#include "maps/map.h"
#include "maps/spec.h"

namespace qv {

namespace {

class StaticMap final : public Map {
 public:
  explicit StaticMap(std::string value) : value_(std::move(value)) {}
  Result<Answer> lookup(std::string_view /*key*/, std::string& value) override {
    value = value_;
    return Answer::found;
  }

 private:
  std::string value_;
};

Result<std::unique_ptr<Map>> open_static(const MapSpec& spec, std::string& /*detail*/) {
  const std::string_view value =
      is_braced(spec.name) ? strip_braces(spec.name) : std::string_view(spec.name);
  return std::unique_ptr<Map>(std::make_unique<StaticMap>(std::string(value)));
}

}  // namespace

extern const MapType map_type_static;
const MapType map_type_static{"static", {}, "VALUE: every key has this value", open_static};

}  // namespace qv
