// SPDX-License-Identifier: 0BSD
#include "control/lines.h"

#include <sys/stat.h>

#include <cerrno>

#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"

namespace qv {

namespace {

std::string_view trim_end(std::string_view line) {
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  return line;
}

}  // namespace

std::string to_string(const Problem& problem) {
  std::string out = problem.where;
  if (problem.line > 0) {
    out += ':';
    out += std::to_string(problem.line);
  }
  out += ": ";
  out += problem.text;
  return out;
}

bool parse_control_text(std::string_view text, std::vector<ControlLine>& lines) {
  if (find_byte(text, '\0') != text.size()) return false;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::string_view line = trim_end(take_until(text, '\n'));
    if (line.empty() || line.front() == '#') continue;
    lines.push_back({std::string(line), number});
  }
  return true;
}

Result<std::optional<std::vector<ControlLine>>> read_control_file(const std::string& path) {
  using Lines = std::optional<std::vector<ControlLine>>;
  Result<Fd> file = open_read(path.c_str());
  if (!file.ok()) {
    if (errno_means_absent(file.error().errnum)) return Lines{};
    return file.error();
  }
  const int fd = file.value().get();
  struct stat st {};
  if (fstat(fd, &st) != 0) return errno_error("fstat");
  if (!S_ISREG(st.st_mode)) return Error{Fault::config, 0, "not a regular file"};
  if (static_cast<std::uint64_t>(st.st_size) > kMaxControlFile) {
    return Error{Fault::config, EFBIG, "too large for a control file"};
  }
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  QV_TRY(const std::size_t got, read_full(fd, text.data(), text.size()));
  text.resize(got);
  std::vector<ControlLine> lines;
  if (!parse_control_text(text, lines)) return Error{Fault::config, 0, "holds a NUL byte"};
  return Lines{std::move(lines)};
}

}  // namespace qv
