// SPDX-License-Identifier: 0BSD
// process/program.h - the command line of every program that has settings.
//
//   -o NAME=VALUE    a setting, as often as wanted
//   --check-config   every mistake on a line "place: text" on standard error; exit 0 or 111
//   --help           the usage, and each setting with its value and source
//   --version
//
// A program adds its own options.  An unknown option prints the usage on standard error, exit 100;
// a mistake in the settings prints a line for each, exit 111.
//
// Tests: tests/process/program_test.cc
#ifndef QV_PROCESS_PROGRAM_H_
#define QV_PROCESS_PROGRAM_H_

#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/settings.h"

namespace qv::process {

class CommandLine {
 public:
  // Whether an option was given: "w" for -w, "explain" for --explain.
  [[nodiscard]] bool has(std::string_view option) const;
  // Its argument, the last one where it was given more than once; nullopt where there is none.
  [[nodiscard]] std::optional<std::string> value(std::string_view option) const;

  std::map<std::string, std::string, std::less<>> options;
  control::SettingSources sources;
  std::span<char* const> rest;  // the operands
};

struct Program {
  std::string_view name;
  std::string_view usage;               // without the options that all programs have
  std::string_view manuals;             // "qmail-verify(8)"
  std::string_view letters = {};        // its own options as getopt(3) takes them: "f:w"
  std::vector<const char*> words = {};  // its own long options, which take no argument
  std::string_view last = {};           // ends the options: what follows are operands

  // The rows for this command line.
  std::function<std::vector<control::Setting>(const CommandLine&)> settings = {};
  // --check-config: adds problems other than those of the settings themselves.
  std::function<void(const CommandLine&, const control::Settings&, std::vector<control::Problem>&)>
      check = {};
  // Runs the program; returns the exit code.
  std::function<int(const CommandLine&, const control::Settings&)> run = {};
  // Whether the operands fit the options.  Empty: no operand is allowed.
  std::function<bool(const CommandLine&)> accepts = {};
  // Called before a wrong command line or setting is reported, by a program whose answer is more
  // than an exit code.  Returns the exit code for a wrong command line.
  std::function<int(const CommandLine&)> misused = {};
};

[[nodiscard]] int run_program(const Program& program, int argc, char** argv);

// A line "PROGRAM: fatal: place: text" for each.
void say_problems(std::string_view program, const std::vector<control::Problem>& problems);

}  // namespace qv::process

#endif  // QV_PROCESS_PROGRAM_H_
