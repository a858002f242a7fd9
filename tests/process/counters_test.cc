// SPDX-License-Identifier: 0BSD
#include "process/counters.h"

#include <gtest/gtest.h>

#include <atomic>

namespace qv::process {
namespace {

struct Plain : CounterList {
  Counter second{*this, "second", "declared first"};
  Counter first{*this, "first", ""};
};

TEST(Counters, StandInTheLineInTheirOrderWithTheirNames) {
  Plain plain;
  plain.first += 7;
  --plain.second;
  EXPECT_EQ(plain.first, 7u);
  LogLine line("counters");
  plain.add_to(line);
  EXPECT_EQ(line.text(), "counters second=18446744073709551615 first=7\n");
}

enum class Kind : std::uint8_t { good, bad };
struct ByKind : CounterList {
  CounterArray<Kind, 2> kinds{{{*this, "good", ""}, {*this, "bad", ""}}};
  Counter last{*this, "last", ""};
};

TEST(Counters, StandInAnArrayByTheValuesOfAnEnum) {
  ByKind counters;
  ++counters.kinds[Kind::bad];
  LogLine line("counters");
  counters.add_to(line);
  EXPECT_EQ(line.text(), "counters good=0 bad=1 last=0\n");
}

}  // namespace
}  // namespace qv::process
