// SPDX-License-Identifier: 0BSD
#include "maps/tool/tool.h"

#include <unistd.h>

#include <algorithm>

#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/source.h"

namespace qv::tool {

void complain(std::string_view text) {
  // Nobody to tell where even that cannot be written.
  static_cast<void>(write_all(STDERR_FILENO, "qmail-map: " + std::string(text) + "\n"));
}

int usage(std::string_view problem, std::string_view synopsis) {
  if (!problem.empty()) complain(problem);
  static_cast<void>(write_all(STDERR_FILENO, "usage: qmail-map " + std::string(synopsis) + "\n"));
  return kExitPermanent;
}

bool print(std::string_view text) {
  const Result<void> done = write_all(STDOUT_FILENO, text);
  if (!done.ok()) complain(describe_error(done.error(), "standard output"));
  return done.ok();
}

Options::Options(Arguments arguments, std::initializer_list<std::string_view> known) {
  std::size_t i = 0;
  for (; i < arguments.size() && problem_.empty(); ++i) {
    const std::string& word = arguments[i];
    if (!starts_with(word, "--")) break;
    if (word == "--") {
      ++i;
      break;
    }
    std::string_view value = after_bytes(word, 2);
    const bool has_value = find_byte(value, '=') != value.size();
    const std::string name(take_until(value, '='));
    const std::string wanted = has_value ? name + "=" : name;
    if (std::find(known.begin(), known.end(), wanted) == known.end()) {
      problem_ = "unknown option " + word;
    }
    given_.push_back({name, std::string(value)});
  }
  rest_ = arguments.subspan(i);
}

bool Options::has(std::string_view name) const {
  return std::any_of(given_.begin(), given_.end(),
                     [name](const Given& given) { return given.name == name; });
}

std::string Options::value(std::string_view name, std::string_view fallback) const {
  for (const Given& given : given_) {
    if (given.name == name) return given.value;
  }
  return std::string(fallback);
}

}  // namespace qv::tool
