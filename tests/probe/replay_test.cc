// SPDX-License-Identifier: 0BSD
// Plays every scenario of tests/replay/, each a test of its own.
#include "tests/probe/replay.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace qv::probe {
namespace {

// Tests are run from the top of the tree.
constexpr const char* kDirectory = "tests/replay";

class Replay : public testing::TestWithParam<std::string> {};

TEST_P(Replay, GoesAsWritten) { EXPECT_EQ(play_scenario(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(Scenarios, Replay, testing::ValuesIn(list_scenarios(kDirectory)),
                         [](const auto& row) {
                           std::string name = row.param.substr(row.param.rfind('/') + 1);
                           name.resize(name.size() - 4);
                           for (char& c : name) {
                             if (isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           }
                           return name;
                         });

TEST(ReplayRunner, HasScenarios) { EXPECT_GE(list_scenarios(kDirectory).size(), 10u); }

// What a scenario says must be able to be wrong.
TEST(ReplayRunner, NoticesWhatIsOtherwise) {
  char name[] = "/tmp/qv-scn-XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  close(fd);
  for (const char* text :
       {"nonsense\n", "query a@x.example\nexpect ok\n",
        "query a@x.example\nexpect defer why=probe\n",
        "query a@x.example\nexpect defer why=not-probed text=other\n", "said 192.0.2.1:25 1 RCPT\n",
        "record k 0:0:5:\nexpect_record k 0:0:6:\n", "expect_entries 1\n", "set negative_expire\n",
        "# nothing\n"}) {
    std::ofstream(name) << text;
    EXPECT_NE(play_scenario(name), "") << text;
  }
  unlink(name);
}

}  // namespace
}  // namespace qv::probe
