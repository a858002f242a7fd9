// SPDX-License-Identifier: 0BSD
// maps/tool/tool.h - what qmail-map does, one function per command.
//
// Each takes its arguments without the command's name, writes to standard output and complains on
// standard error, and returns the exit code: 0 done or found, 1 absent, 100 wrong usage, 111 cannot
// tell or cannot do it.
// Manual: qmail-map(1).  Tests: tests/e2e/maps.py
#ifndef QV_MAPS_TOOL_TOOL_H_
#define QV_MAPS_TOOL_TOOL_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qv::tool {

using Arguments = std::span<const std::string>;

[[nodiscard]] int build(Arguments arguments);
[[nodiscard]] int get(Arguments arguments);
[[nodiscard]] int list(Arguments arguments);
[[nodiscard]] int types(Arguments arguments);
[[nodiscard]] int convert(Arguments arguments);
[[nodiscard]] int assign(Arguments arguments);

// "qmail-map: TEXT" on standard error.
void complain(std::string_view text);

// Complains, tells the usage of the command, and returns 100.
[[nodiscard]] int usage(std::string_view problem, std::string_view synopsis);

// Writes to standard output; false, having complained, where that fails.
[[nodiscard]] bool print(std::string_view text);

// Options in front of the arguments: `--name` or `--name=value`, ended by `--` or by the first
// other word (a single `-` is one).
class Options {
 public:
  // `known`: the names, without dashes; those that take a value end in '='.
  Options(Arguments arguments, std::initializer_list<std::string_view> known);

  // What is wrong; empty where nothing is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::string value(std::string_view name, std::string_view fallback) const;
  // What stands behind the options.
  [[nodiscard]] Arguments rest() const { return rest_; }

 private:
  struct Given {
    std::string name;
    std::string value;
  };
  std::vector<Given> given_;
  Arguments rest_;
  std::string problem_;
};

}  // namespace qv::tool

#endif  // QV_MAPS_TOOL_TOOL_H_
