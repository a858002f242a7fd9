// SPDX-License-Identifier: 0BSD
// What maps/types/prefilter says of a pattern against what the library matches.  The first line is
// a pattern, the rest a key.  A rule that is negated is run for every key, one that is not only for
// those that hold what it requires: both must say the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/text.h"
#include "maps/open.h"
#include "maps/types/prefilter.h"

namespace {

using namespace qv;

void require(bool condition) {
  if (!condition) abort();
}

std::unique_ptr<maps::Map> open_rule(std::string_view before, std::string_view pattern) {
  static const maps::MapType* const pcre = maps::find_map_type("pcre");
  if (pcre == nullptr) return nullptr;
  std::string detail;
  const std::string rule = std::string(before) + "/" + std::string(pattern) + "/ x";
  Result<std::unique_ptr<maps::Map>> map = pcre->open({"pcre", "{{" + rule + "}}", {}}, detail);
  return map.ok() ? std::move(map).value() : nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view key(reinterpret_cast<const char*>(data), size);
  const std::string_view pattern = take_until(key, '\n');
  for (const std::string& text : maps::required_texts(pattern)) require(!text.empty());
  // The rules stand in the name of the table, which braces would cut.
  if (pattern.size() > 64 || key.size() > 256 || pattern.find_first_of("{}/") != pattern.npos) {
    return 0;
  }
  const std::unique_ptr<maps::Map> gated = open_rule("", pattern);
  const std::unique_ptr<maps::Map> plain = open_rule("!", pattern);
  if (!gated || !plain) return 0;
  std::string value;
  const Result<maps::Answer> answer = gated->lookup(key, value);
  const Result<maps::Answer> opposite = plain->lookup(key, value);
  // A gate may spare a match that would take too many steps; it adds no fault.
  require(answer.ok() || !opposite.ok());
  require(!opposite.ok() || answer.value() != opposite.value());
  return 0;
}
