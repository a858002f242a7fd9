// SPDX-License-Identifier: 0BSD
// control/lines.h - a qmail control file as its lines.
//
// As qmail's control_readfile(): blanks (space, tab) at the end of a line are cut; empty lines and
// lines that begin with '#' are ignored; the last line needs no newline.  A missing file is an
// answer, not an error.  Manual: qmail-control(5).  Tests: tests/control/lines_test.cc
#ifndef QV_CONTROL_LINES_H_
#define QV_CONTROL_LINES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/file_stamp.h"
#include "core/result.h"

namespace qv::control {

struct ControlLine {
  std::string text;  // never empty, no NUL
  int number = 0;    // from 1
  bool operator==(const ControlLine&) const = default;
};

// An error that the operator can correct.  `line` 0: the file or the setting as a whole.
struct Problem {
  std::string where;  // a path, or the source of a setting
  int line = 0;
  std::string text;  // the error, and what to write instead
};

// "control/locals:7: ..." or "environment LISTEN: ...".
[[nodiscard]] std::string to_string(const Problem& problem);

inline constexpr std::size_t kMaxControlFile = 64u << 20;  // bytes

// nullopt: there is no such file.
using ControlLines = std::optional<std::vector<ControlLine>>;

// Errors: those of read_regular_file() with kMaxControlFile as limit; a NUL in the file (config).
// `seen` gets the file's stamp.
[[nodiscard]] Result<ControlLines> read_control_file(const std::string& path, SourceStamp& seen);
[[nodiscard]] Result<ControlLines> read_control_file(const std::string& path);

// The same of text in memory; false if it contains a NUL.
[[nodiscard]] bool parse_control_text(std::string_view text, std::vector<ControlLine>& lines);

}  // namespace qv::control

#endif  // QV_CONTROL_LINES_H_
