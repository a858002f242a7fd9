// SPDX-License-Identifier: 0BSD
// static:VALUE - every key has this value.  As Postfix's static table: `static:{ text with blanks
// }`. fail:REASON - every look-up fails, with Fault::retry, or with the fault named first:
// `fail:config TEXT`, `fail:denied TEXT`, `fail:protocol TEXT`.  To try out what a broken table
// does. environ: - the environment of the process: NAME has the value of the variable NAME. Manual:
// qmail-map-static(5).
#include <stdlib.h>

#include "core/fault.h"
#include "core/text.h"
#include "maps/open.h"
#include "maps/spec.h"

extern char** environ;

namespace qv {

namespace {

class StaticMap final : public Map {
 public:
  explicit StaticMap(std::string_view value) : value_(value) {}
  Result<Answer> lookup(std::string_view /*key*/, std::string& value) override {
    value = value_;
    return Answer::found;
  }

 private:
  std::string value_;
};

Result<std::unique_ptr<Map>> open_static(const MapSpec& spec, std::string& /*detail*/) {
  const std::string_view name = spec.name;
  return std::unique_ptr<Map>(
      std::make_unique<StaticMap>(is_braced(name) ? strip_braces(name) : name));
}

Result<std::unique_ptr<Map>> open_fail(const MapSpec& spec, std::string& /*detail*/) {
  std::string_view text = strip_braces(spec.name);
  std::string_view rest = text;
  const std::string_view word = take_until(rest, ' ');
  Fault fault = Fault::retry;
  for (const Fault each : {Fault::retry, Fault::config, Fault::denied, Fault::protocol}) {
    if (word != fault_name(each)) continue;
    fault = each;
    text = trim_white(rest);
  }
  std::string reason = text.empty() ? "this table always fails" : std::string(text);
  return make_fail_map(Error{fault, 0, "fail table"}, std::move(reason));
}

class EnvironMap final : public Map {
 public:
  Result<Answer> lookup(std::string_view key, std::string& value) override {
    // No variable can have such a name, and getenv() would look for another one.
    if (key.empty() || key.find_first_of(std::string_view("=\0", 2)) != std::string_view::npos) {
      return Answer::absent;
    }
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

extern const MapType map_type_static;
const MapType map_type_static{"static", {}, "VALUE: every key has this value", open_static};

extern const MapType map_type_fail;
const MapType map_type_fail{
    "fail", {.writable = true, .listable = true}, "REASON: every look-up fails", open_fail};

extern const MapType map_type_environ;
const MapType map_type_environ{
    "environ", {.listable = true}, ": the environment of the process", open_environ};

}  // namespace qv
