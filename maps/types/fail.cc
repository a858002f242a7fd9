// SPDX-License-Identifier: 0BSD
// fail:REASON - every look-up fails, with Fault::retry, or with the fault named first: `fail:config
// TEXT`, `fail:denied TEXT`, `fail:protocol TEXT`.  To try out what a broken table does.
// Manual: qmail-map-static(5).
#include "core/text.h"
#include "maps/open.h"
#include "maps/spec.h"

namespace qv {

namespace {

Fault take_fault(std::string_view& text) {
  struct Word {
    std::string_view word;
    Fault fault;
  };
  constexpr Word kWords[] = {{"retry", Fault::retry},
                             {"config", Fault::config},
                             {"denied", Fault::denied},
                             {"protocol", Fault::protocol}};
  std::string_view rest = text;
  const std::string_view first = take_until(rest, ' ');
  for (const Word& word : kWords) {
    if (first != word.word) continue;
    text = trim_white(rest);
    return word.fault;
  }
  return Fault::retry;
}

Result<std::unique_ptr<Map>> open_fail(const MapSpec& spec, std::string& /*detail*/) {
  std::string_view text = strip_braces(spec.name);
  const Fault fault = take_fault(text);
  std::string reason = text.empty() ? "this table always fails" : std::string(text);
  return make_fail_map(Error{fault, 0, "fail table"}, std::move(reason));
}

}  // namespace

extern const MapType map_type_fail;
const MapType map_type_fail{
    "fail", {.writable = true, .listable = true}, "REASON: every look-up fails", open_fail};

}  // namespace qv
