// SPDX-License-Identifier: 0BSD
#include "process/counters.h"

#include <gtest/gtest.h>

#include <atomic>

namespace qv {
namespace {

struct Plain {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};
constexpr CounterName<Plain> kPlainNames[] = {
    {"second", &Plain::second, ""},
    {"first", &Plain::first, ""},
};

struct Shared {
  std::atomic<std::uint64_t> only = 0;
};
constexpr CounterName<Shared, std::atomic<std::uint64_t>> kSharedNames[] = {
    {"only", &Shared::only, ""},
};

TEST(Counters, StandInTheLineInTheOrderOfTheirNames) {
  Plain plain;
  plain.first = 7;
  plain.second = UINT64_MAX;
  LogLine line("counters");
  add_counters(line, plain, kPlainNames);
  EXPECT_EQ(line.text(), "counters second=18446744073709551615 first=7\n");
}

TEST(Counters, MayBeAtomic) {
  Shared shared;
  ++shared.only;
  LogLine line("counters");
  add_counters(line, shared, kSharedNames);
  EXPECT_EQ(line.text(), "counters only=1\n");
}

}  // namespace
}  // namespace qv
