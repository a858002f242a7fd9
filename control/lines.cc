// SPDX-License-Identifier: 0BSD
#include "control/lines.h"

#include <utility>

#include "core/fault.h"
#include "core/text.h"

namespace qv::control {

std::string to_string(const Problem& problem) {
  const std::string line = problem.line > 0 ? ":" + std::to_string(problem.line) : "";
  return problem.where + line + ": " + problem.text;
}

bool parse_control_text(std::string_view text, std::vector<ControlLine>& lines) {
  if (find_byte(text, '\0') != text.size()) return false;
  int number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = take_until(text, '\n');
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    lines.push_back({std::string(line), number});
  }
  return true;
}

Result<ControlLines> read_control_file(const std::string& path, SourceStamp& seen) {
  Result<std::string> text = read_regular_file(path, kMaxControlFile, seen);
  if (!text.ok()) {
    if (errno_means_absent(seen.errnum)) return ControlLines{};
    return text.error();
  }
  std::vector<ControlLine> lines;
  if (!parse_control_text(text.value(), lines)) return Error{Fault::config, 0, "holds a NUL byte"};
  return ControlLines{std::move(lines)};
}

Result<ControlLines> read_control_file(const std::string& path) {
  SourceStamp seen;
  return read_control_file(path, seen);
}

}  // namespace qv::control
