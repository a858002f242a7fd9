// SPDX-License-Identifier: 0BSD
#include "process/program.h"

#include <getopt.h>
#include <unistd.h>

#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"

namespace qv::process {

namespace {

int print(int fd, const std::string& text, int code) {
  return write_all(fd, text).ok() ? code : kExitTemporary;
}

std::string usage_of(const Program& program) {
  const std::string name = "       " + std::string(program.name);
  return "usage:" + std::string(after_bytes(program.usage, 6)) + name +
         " --check-config  report every mistake in the settings\n" + name +
         " --help | --version\n" + name + " -o NAME=VALUE...  sets what is set for this run\n";
}

// False for an unknown option or operand.
bool parse(const Program& program, int argc, char** argv, CommandLine& line) {
  std::vector<option> words;
  const auto add = [&words](const char* word) { words.push_back({word, no_argument, nullptr, 0}); };
  for (const char* word : {"check-config", "help", "version"}) add(word);
  for (const char* word : program.words) add(word);
  words.push_back({nullptr, 0, nullptr, 0});
  // '+': the first operand ends the options; an address may begin with '-' behind "--".
  const std::string letters = "+o:" + std::string(program.letters);
  for (;;) {
    int word = 0;
    const int letter = getopt_long(argc, argv, letters.c_str(), words.data(), &word);
    if (letter == -1) break;
    if (letter == '?' || (letter == 'o' && !line.sources.give(optarg))) return false;
    const std::string name = letter == 0 ? words[static_cast<std::size_t>(word)].name
                                         : std::string(1, static_cast<char>(letter));
    line.options[name] = letter == 0 || optarg == nullptr ? "" : optarg;
    if (name == program.last) break;
  }
  line.rest = {argv + optind, argv + argc};
  return program.accepts ? program.accepts(line) : line.rest.empty();
}

int check_config(const Program& program, const CommandLine& line, const control::Settings& settings,
                 std::vector<control::Problem>& problems) {
  program.check(line, settings, problems);
  std::string text;
  for (const control::Problem& problem : problems) text += control::to_string(problem) + "\n";
  return print(STDERR_FILENO, text, problems.empty() ? kExitOk : kExitTemporary);
}

}  // namespace

bool CommandLine::has(std::string_view option) const { return options.contains(option); }

std::optional<std::string> CommandLine::value(std::string_view option) const {
  const auto at = options.find(option);
  if (at == options.end()) return std::nullopt;
  return at->second;
}

int run_program(const Program& program, int argc, char** argv) {
  CommandLine line;
  line.sources.environment = control::from_environment;
  const bool is_understood = parse(program, argc, argv, line);
  const auto misused = [&] { return program.misused ? program.misused(line) : kExitPermanent; };
  if (!is_understood) return print(STDERR_FILENO, usage_of(program), misused());
  if (line.has("version")) {
    return print(STDOUT_FILENO, std::string(program.name) + " " QV_VERSION "\n", kExitOk);
  }
  control::Settings settings(program.settings(line));
  std::vector<control::Problem> problems;
  settings.read(line.sources, problems);
  if (line.has("help")) {
    return print(STDOUT_FILENO,
                 usage_of(program) +
                     "\nsettings, each with its value and where that comes from:\n" +
                     settings.describe() + "\nmanual: " + std::string(program.manuals) + "\n",
                 kExitOk);
  }
  if (line.has("check-config")) return check_config(program, line, settings, problems);
  if (problems.empty()) return program.run(line, settings);
  static_cast<void>(misused());
  say_problems(program.name, problems);
  return kExitTemporary;
}

void say_problems(std::string_view program, const std::vector<control::Problem>& problems) {
  std::string text;
  for (const control::Problem& problem : problems) {
    text += std::string(program) + ": fatal: " + control::to_string(problem) + "\n";
  }
  static_cast<void>(write_all(STDERR_FILENO, text).ok());
}

}  // namespace qv::process
