// SPDX-License-Identifier: 0BSD
// process/program.h - what every program with settings does with its command line.
//
//   -o NAME=VALUE    a setting, as often as wanted
//   --check-config   every mistake on a line "place: text" on standard error; exit 0 or 111
//   --help           the uses, and each setting with its value and where that comes from
//   --version
//
// Anything else is the program's own.  What is not understood is answered with the uses on standard
// error, exit 100; settings with a mistake in them with a line for each, exit 111.
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

namespace qv {

class CommandLine {
 public:
  // Whether an option was given: "w" for -w, "explain" for --explain.
  [[nodiscard]] bool has(std::string_view option) const;
  // What was given with it, the last one counts; nullopt where there is none.
  [[nodiscard]] std::optional<std::string> value(std::string_view option) const;

  std::map<std::string, std::string, std::less<>> options;
  SettingSources sources;
  std::span<char* const> rest;  // behind the options
};

struct Program {
  std::string_view name;
  std::string_view usage;               // its uses, without those that all programs have
  std::string_view manuals;             // "qmail-verify(8)"
  std::string_view letters = {};        // its own options as getopt(3) takes them: "f:w"
  std::vector<const char*> words = {};  // its own long options, which take no value
  std::string_view last = {};           // the one that ends the options: what follows are words

  // The rows for this command line.
  std::function<std::vector<Setting>(const CommandLine&)> settings = {};
  // --check-config: adds what is wrong besides the settings themselves.
  std::function<void(const CommandLine&, const Settings&, std::vector<Problem>&)> check = {};
  // Does what it is for; the exit code.
  std::function<int(const CommandLine&, const Settings&)> run = {};
  // Whether what stands behind the options fits them; where this is not set nothing may.
  std::function<bool(const CommandLine&)> accepts = {};
  // Something is wrong with the command line or the settings: what to do before that is said, where
  // the answer is not an exit code alone.  Returns the exit code for a wrong command line.
  std::function<int(const CommandLine&)> misused = {};
};

[[nodiscard]] int run_program(const Program& program, int argc, char** argv);

// A line "PROGRAM: fatal: place: text" for each.
void say_problems(std::string_view program, const std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_PROCESS_PROGRAM_H_
