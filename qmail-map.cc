// SPDX-License-Identifier: 0BSD
// qmail-map - builds, asks, lists and converts lookup tables.  Manual: qmail-map(1).
#include <string>
#include <vector>

#include "core/exit_code.h"
#include "maps/tool/tool.h"

namespace {

constexpr std::string_view kUsage =
    "build [--replace|--ignore] [--keep-case] SOURCE TYPE:NAME\n"
    "       qmail-map get [--address] [--delimiters=CHARS] [--keep-case] TYPE:NAME KEY...|-\n"
    "       qmail-map list TYPE:NAME\n"
    "       qmail-map types\n"
    "       qmail-map convert [--replace|--ignore] [--keep-case] TYPE:NAME TYPE:NAME\n"
    "       qmail-map assign [ASSIGN [CDB]]";

struct Command {
  std::string_view name;
  int (*run)(qv::tool::Arguments arguments);
};

constexpr Command kCommands[] = {{"build", qv::tool::build},     {"get", qv::tool::get},
                                 {"list", qv::tool::list},       {"types", qv::tool::types},
                                 {"convert", qv::tool::convert}, {"assign", qv::tool::assign}};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (words.empty()) return qv::tool::usage("", kUsage);
  if (words[0] == "--version") {
    return qv::tool::print("qmail-map " QV_VERSION "\n") ? qv::kExitOk : qv::kExitTemporary;
  }
  if (words[0] == "--help") {
    return qv::tool::print("usage: qmail-map " + std::string(kUsage) + "\n") ? qv::kExitOk
                                                                             : qv::kExitTemporary;
  }
  for (const Command& command : kCommands) {
    if (words[0] == command.name) {
      return command.run(qv::tool::Arguments(words).subspan(1));
    }
  }
  return qv::tool::usage("there is no command " + words[0], kUsage);
}
