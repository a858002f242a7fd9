// SPDX-License-Identifier: 0BSD
// environ: - the environment of the process: NAME has the value of the variable NAME.
// Manual: qmail-map-static(5).
#include <stdlib.h>

#include "core/text.h"
#include "maps/map.h"

extern char** environ;

namespace qv {

namespace {

// No variable can have such a name, and getenv() would look for another one.
bool is_name(std::string_view key) {
  return !key.empty() && find_byte(key, '\0') == key.size() && find_byte(key, '=') == key.size();
}

class EnvironMap final : public Map {
 public:
  Result<Answer> lookup(std::string_view key, std::string& value) override {
    if (!is_name(key)) return Answer::absent;
    const char* found = getenv(std::string(key).c_str());
    if (found == nullptr) return Answer::absent;
    value = found;
    return Answer::found;
  }

  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    if (step == Step::first) at_ = 0;
    if (environ == nullptr || environ[at_] == nullptr) return Answer::absent;
    std::string_view rest = environ[at_++];
    key = take_until(rest, '=');
    value = rest;
    return Answer::found;
  }

 private:
  std::size_t at_ = 0;
};

Result<std::unique_ptr<Map>> open_environ(const MapSpec& /*spec*/, std::string& /*detail*/) {
  return std::unique_ptr<Map>(std::make_unique<EnvironMap>());
}

}  // namespace

extern const MapType map_type_environ;
const MapType map_type_environ{
    "environ", {.listable = true}, ": the environment of the process", open_environ};

}  // namespace qv
