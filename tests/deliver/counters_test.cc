// SPDX-License-Identifier: 0BSD
#include "deliver/counters.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace qv {
namespace {

// Runs `act` in a child; how that ended, as waitpid() says it.
template <class Act>
int in_child(Act act) {
  const pid_t child = fork();
  if (child == 0) {
    act();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

SharedCounters make_counters() {
  Result<SharedCounters> made = SharedCounters::make();
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

TEST(DeliverCounters, BeginAtNothing) {
  const SharedCounters counters = make_counters();
  LogLine line("counters");
  add_counters(line, *counters, kDeliverCounterNames);
  EXPECT_EQ(line.text(),
            "counters accepted=0 recipients=0 refused_recipients=0 messages=0 done=0 retry=0 "
            "refuse=0 bytes=0 workers_started=0 workers_lost=0\n");
}

TEST(DeliverCounters, AreCountedByOutcome) {
  DeliverCounters counters;
  counters.count(done(100));
  counters.count(done(20));
  counters.count(retry("4.3.0", "later"));
  counters.count(refuse("5.2.2", "full"));
  EXPECT_EQ(counters.done, 2U);
  EXPECT_EQ(counters.bytes, 120U);
  EXPECT_EQ(counters.retry, 1U);
  EXPECT_EQ(counters.refuse, 1U);
}

TEST(DeliverCounters, AreSharedWithChildren) {
  const SharedCounters counters = make_counters();
  ++counters->accepted;
  EXPECT_EQ(in_child([&] { counters->accepted += 2; }), 0);
  EXPECT_EQ(counters->accepted, 3U);
}

TEST(DeliverCounters, CanBeKeptFromChildren) {
  const SharedCounters counters = make_counters();
  counters.keep_from_children();
  const int status = in_child([&] {
    signal(SIGSEGV, SIG_DFL);
    ++counters->accepted;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  EXPECT_EQ(counters->accepted, 0U);
}

}  // namespace
}  // namespace qv
