// SPDX-License-Identifier: 0BSD
// What both loops promise, tried on both.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "event/libevent_loop.h"
#include "tests/fakes/fake_loop.h"

namespace qv::event {
namespace {

TEST(FakeLoop, TimersFireInOrderAtTheirOwnMoment) {
  FakeLoop loop;
  const std::int64_t start = loop.now_us();
  std::vector<std::int64_t> seen;
  const auto late = loop.after(300, [&] { seen.push_back(loop.now_us() - start); });
  const auto tick = loop.every(100, [&] { seen.push_back(loop.now_us() - start); });
  loop.advance_us(250);
  EXPECT_EQ(seen, (std::vector<std::int64_t>{100, 200}));
  loop.advance_us(50);
  EXPECT_EQ(seen, (std::vector<std::int64_t>{100, 200, 300, 300}));
}

TEST(FakeLoop, ACallbackMayDestroyItsOwnHandle) {
  FakeLoop loop;
  int calls = 0;
  Loop::Owned handle;
  handle = loop.every(10, [&] {
    ++calls;
    handle.reset();
  });
  loop.advance_us(100);
  EXPECT_EQ(calls, 1);
}

TEST(LibeventLoop, WatchesDescriptorsAndMoments) {
  LibeventLoop loop;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  bool readable = false;
  Loop::Owned watch = loop.when_readable(ends[0], [&] {
    readable = true;
    watch.reset();
    loop.stop();
  });
  const auto soon = loop.after(0, [&] { ASSERT_EQ(write(ends[1], "x", 1), 1); });
  loop.run();
  EXPECT_TRUE(readable);
  close(ends[0]);
  close(ends[1]);
}

TEST(LibeventLoop, DeliversSignals) {
  LibeventLoop loop;
  int hups = 0;
  const auto watch = loop.on_signal(SIGHUP, [&] {
    ++hups;
    loop.stop();
  });
  const auto soon = loop.after(0, [] { raise(SIGHUP); });
  loop.run();
  EXPECT_EQ(hups, 1);
}

}  // namespace
}  // namespace qv::event
