// SPDX-License-Identifier: 0BSD
// Whole programs, each in a child of its own.
#include "process/program.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace qv::process {
namespace {

// Runs the program with these words and ends with its exit code; what it is told to do it says on
// standard error.
[[noreturn]] void run(std::vector<std::string> words) {
  std::string home;
  int number = 0;
  Program program{.name = "qmail-test", .usage = "       qmail-test [-w]\n", .manuals = "none(8)"};
  program.letters = "w";
  program.words = {"explain"};
  program.last = "explain";
  program.accepts = [](const auto& line) { return line.has("explain") != line.rest.empty(); };
  program.settings = [&](const CommandLine& line) {
    return std::vector<control::Setting>{
        {"qmailhome", control::setting::path(home), "/", ""},
        {"number", control::setting::number(number, 1, 9), line.has("w") ? "2" : "1", ""}};
  };
  program.check = [&](const auto&, const auto& settings, auto& problems) {
    if (number == 7) problems.push_back({settings.place("number"), 0, "nobody likes it"});
  };
  program.run = [&](const CommandLine& line, const auto&) {
    dprintf(STDERR_FILENO, "run %d", number);
    for (const char* word : line.rest) dprintf(STDERR_FILENO, " %s", word);
    return 5;
  };
  // What --help says is of interest, too.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  words.insert(words.begin(), "qmail-test");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  _exit(run_program(program, static_cast<int>(words.size()), argv.data()));
}

using testing::ExitedWithCode;

TEST(ProgramDeathTest, RunsWithItsSettings) {
  EXPECT_EXIT(run({}), ExitedWithCode(5), "^run 1$");
  EXPECT_EXIT(run({"-w"}), ExitedWithCode(5), "^run 2$");
  EXPECT_EXIT(run({"-o", "number=3", "-w"}), ExitedWithCode(5), "^run 3$");
}

TEST(ProgramDeathTest, WordsBehindTheLastOptionAreWords) {
  EXPECT_EXIT(run({"--explain", "-w", "a"}), ExitedWithCode(5), "^run 1 -w a$");
}

TEST(ProgramDeathTest, WhatIsNotUnderstoodIs100) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--no-such"}, {"-x"}, {"-o", "number"}, {"word"}, {"--explain"}}) {
    EXPECT_EXIT(run(words), ExitedWithCode(100), "usage: qmail-test \\[-w\\]\n") << words[0];
  }
}

TEST(ProgramDeathTest, AMistakeInTheSettingsIs111AndALine) {
  EXPECT_EXIT(run({"-o", "number=0", "-o", "other=1"}), ExitedWithCode(111),
              "^qmail-test: fatal: -o number: \"0\" is not a number from 1 to 9\n"
              "qmail-test: fatal: -o other: there is no such setting\n$");
}

TEST(ProgramDeathTest, CheckConfigSaysEveryMistakeAndDoesNothingElse) {
  EXPECT_EXIT(run({"--check-config"}), ExitedWithCode(0), "^$");
  EXPECT_EXIT(run({"--check-config", "-o", "number=0"}), ExitedWithCode(111),
              "^-o number: \"0\" is not a number from 1 to 9\n$");
  EXPECT_EXIT(run({"-o", "number=7", "-o", "other=1", "--check-config"}), ExitedWithCode(111),
              "^-o other: there is no such setting\n-o number: nobody likes it\n$");
}

TEST(ProgramDeathTest, HelpHasEachSettingWithItsValueAndItsSource) {
  EXPECT_EXIT(
      run({"--help", "-o", "number=4"}), ExitedWithCode(0),
      "usage: qmail-test \\[-w\\]\n(.|\n)*  number, NUMBER\n        \n        \"4\", -o number\n"
      "\nmanual: none\\(8\\)\n$");
  EXPECT_EXIT(run({"--version"}), ExitedWithCode(0), "^qmail-test [0-9.]+\n$");
}

}  // namespace
}  // namespace qv::process
