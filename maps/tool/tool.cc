// SPDX-License-Identifier: 0BSD
#include "maps/tool/tool.h"

#include <unistd.h>

#include <algorithm>

#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/open.h"

namespace qv::maps::tool {

namespace {

// Where even standard error cannot be written, there is nobody to inform.
void write_error(const std::string& text) { static_cast<void>(write_all(STDERR_FILENO, text)); }

}  // namespace

void complain(std::string_view text) { write_error("qmail-map: " + std::string(text) + "\n"); }

int fail(const Error& error, const std::string& detail, std::string_view where) {
  complain(detail.empty() ? describe_error(error, where) : detail);
  return kExitTemporary;
}

int usage(std::string_view problem, std::string_view synopsis) {
  if (!problem.empty()) complain(problem);
  write_error("usage: qmail-map " + std::string(synopsis) + "\n");
  return kExitPermanent;
}

bool print(std::string_view text) {
  const Result<void> done = write_all(STDOUT_FILENO, text);
  if (!done.ok()) complain(describe_error(done.error(), "standard output"));
  return done.ok();
}

std::unique_ptr<Map> open_table(const std::string& name, const MapOptions& options) {
  std::string detail;
  Result<std::unique_ptr<Map>> map = open_map(name, options, detail);
  if (!map.ok()) return fail(map.error(), detail, name), nullptr;
  if (!detail.empty()) complain(detail);
  return std::move(map).value();
}

Result<void> for_each_entry(
    Map& map, const std::function<bool(std::string_view key, std::string_view value)>& each) {
  std::string key;
  std::string value;
  for (Step step = Step::first;; step = Step::next) {
    QV_TRY(const Answer more, map.sequence(step, key, value));
    if (more == Answer::absent || !each(key, value)) return {};
  }
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
    given_.emplace(name, value);
  }
  rest_ = arguments.subspan(i);
}

std::string Options::value(std::string_view name, std::string_view fallback) const {
  const auto at = given_.find(name);
  return at == given_.end() ? std::string(fallback) : at->second;
}

}  // namespace qv::maps::tool
