// SPDX-License-Identifier: 0BSD
// qmail-map - builds, asks, lists and converts lookup tables.  Manual: qmail-map(1).
#include <string>
#include <vector>

#include "core/exit_code.h"
#include "maps/tool/tool.h"

namespace {

struct Command {
  std::string_view synopsis;  // begins with the name
  int (*run)(qv::maps::tool::Arguments arguments, std::string_view synopsis);
};

constexpr Command kCommands[] = {
    {"build [--replace|--ignore] [--keep-case] SOURCE TYPE:NAME", qv::maps::tool::build},
    {"get [--address] [--delimiters=CHARS] [--keep-case] TYPE:NAME KEY...|-", qv::maps::tool::get},
    {"list TYPE:NAME", qv::maps::tool::list},
    {"types", qv::maps::tool::types},
    {"convert [--replace|--ignore] [--keep-case] TYPE:NAME TYPE:NAME", qv::maps::tool::convert},
    {"assign [ASSIGN [CDB]]", qv::maps::tool::assign}};

std::string all_uses() {
  std::string uses;
  for (const Command& command : kCommands) {
    if (!uses.empty()) uses += "\n       qmail-map ";
    uses += command.synopsis;
  }
  return uses;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (words.empty()) return qv::maps::tool::usage("", all_uses());
  if (words[0] == "--version" || words[0] == "--help") {
    const bool is_help = words[0] == "--help";
    return qv::maps::tool::print(is_help ? "usage: qmail-map " + all_uses() + "\n"
                                         : "qmail-map " QV_VERSION "\n")
               ? qv::kExitOk
               : qv::kExitTemporary;
  }
  for (const Command& command : kCommands) {
    if (words[0] == command.synopsis.substr(0, command.synopsis.find(' '))) {
      return command.run(qv::maps::tool::Arguments(words).subspan(1), command.synopsis);
    }
  }
  return qv::maps::tool::usage("there is no command " + words[0], all_uses());
}
