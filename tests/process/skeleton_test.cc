// SPDX-License-Identifier: 0BSD
// Whole daemons, each in a child of its own.
#include "process/skeleton.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "event/libevent_loop.h"

namespace qv::process {
namespace {

// Says on standard error what it is told to do, and does what the test wants in each phase.
class TalkingDaemon : public Daemon {
 public:
  TalkingDaemon(event::Loop& loop, ProcessOptions& options, const control::Settings& settings)
      : Daemon(loop, options, settings), process_options(options) {}

  Result<void> pre_jail(std::string& detail) override { return phase("pre_jail", detail); }
  [[nodiscard]] std::uint64_t open_files() const override {
    say("jail");
    return 0;
  }
  Result<void> post_jail(std::string& detail) override {
    if (geteuid() == 0) say("still root");
    soon_ = loop_.after(0, [this] { served(); });
    return phase("post_jail", detail);
  }
  void reload() override {
    say("reload");
    if (geteuid() == 0) say("root again");
    if (stop_on_reload) raise(SIGTERM);
  }
  void log_counters() override {
    say("counters");
    if (stop_on_counters) raise(SIGTERM);
  }
  void finish() override { say("finish"); }

  std::string fail_in;
  Error error{Fault::config, 0, ""};
  std::string why;
  int raise_early = 0;  // a signal that comes in pre_jail
  int raise_serving = SIGTERM;
  bool stop_on_reload = false;
  bool stop_on_counters = false;
  ProcessOptions& process_options;

 private:
  static void say(std::string_view word) {
    dprintf(STDERR_FILENO, "%.*s;", static_cast<int>(word.size()), word.data());
  }
  Result<void> phase(std::string_view name, std::string& detail) {
    say(name);
    if (name == "pre_jail" && raise_early != 0) raise(raise_early);
    if (name != fail_in) return {};
    detail = why;
    return error;
  }
  void served() {
    say("serve");
    if (raise_serving != 0) raise(raise_serving);
  }

  event::Loop::Owned soon_;
};

template <class Prepare>
[[noreturn]] void run(Prepare prepare) {
  event::LibeventLoop loop;
  ProcessOptions options;
  options.qmailhome = "/";
  options.account = ":12345:12346";
  const control::Settings settings(with_process_settings(
      options, {{"account", control::setting::text(options.account), "", ""}}));
  TalkingDaemon daemon(loop, options, settings);
  prepare(daemon);
  _exit(run_daemon("qmail-test", daemon));
}

TEST(SkeletonDeathTest, PhasesInOrderAndTermEndsCleanly) {
  EXPECT_EXIT(run([](TalkingDaemon&) {}), testing::ExitedWithCode(0),
              "^pre_jail;jail;post_jail;serve;finish;$");
}

TEST(SkeletonDeathTest, IntEndsCleanlyToo) {
  EXPECT_EXIT(run([](TalkingDaemon& d) { d.raise_serving = SIGINT; }), testing::ExitedWithCode(0),
              "serve;finish;$");
}

TEST(SkeletonDeathTest, HupReloadsWithoutRights) {
  EXPECT_EXIT(run([](TalkingDaemon& d) {
                d.raise_serving = SIGHUP;
                d.stop_on_reload = true;
              }),
              testing::ExitedWithCode(0), "^pre_jail;jail;post_jail;serve;reload;finish;$");
}

TEST(SkeletonDeathTest, AnEarlyHupIsNotDeadly) {
  EXPECT_EXIT(run([](TalkingDaemon& d) {
                d.raise_early = SIGHUP;
                d.raise_serving = 0;
                d.stop_on_reload = true;
              }),
              testing::ExitedWithCode(0), "post_jail;.*reload;.*finish;$");
}

TEST(SkeletonDeathTest, Usr1LogsTheCounters) {
  EXPECT_EXIT(run([](TalkingDaemon& d) {
                d.raise_serving = SIGUSR1;
                d.stop_on_counters = true;
              }),
              testing::ExitedWithCode(0), "^pre_jail;jail;post_jail;serve;counters;finish;$");
}

TEST(SkeletonDeathTest, AnEarlyUsr1IsNotDeadlyAndNotForgotten) {
  EXPECT_EXIT(run([](TalkingDaemon& d) {
                d.raise_early = SIGUSR1;
                d.raise_serving = 0;
                d.stop_on_counters = true;
              }),
              testing::ExitedWithCode(0), "post_jail;.*counters;.*finish;$");
}

TEST(SkeletonDeathTest, ABrokenPipeIsNotDeadly) {
  EXPECT_EXIT(run([](TalkingDaemon& d) { d.raise_early = SIGPIPE; }), testing::ExitedWithCode(0),
              "finish;$");
}

TEST(SkeletonDeathTest, AFailedPhaseSaysWhyInOneLine) {
  const auto failing = [](const char* phase, Error error, const char* why) {
    run([=](TalkingDaemon& d) {
      d.fail_in = phase;
      d.error = error;
      d.why = why;
    });
  };
  EXPECT_EXIT(failing("pre_jail", Error{Fault::config, 0, ""}, "LISTEN: no port"),
              testing::ExitedWithCode(111), "^pre_jail;qmail-test: fatal: LISTEN: no port\n$");
  EXPECT_EXIT(run([](TalkingDaemon& d) { d.process_options.qmailhome = "/nowhere"; }),
              testing::ExitedWithCode(111),
              "^qmail-test: fatal: qmailhome: /nowhere: chdir: No such file or directory\n$");
  EXPECT_EXIT(failing("pre_jail", Error{Fault::config, EADDRINUSE, "bind"}, "127.0.0.1:11113"),
              testing::ExitedWithCode(111),
              "pre_jail;qmail-test: fatal: 127.0.0.1:11113: bind: Address already in use\n$");
  EXPECT_EXIT(failing("post_jail", Error{Fault::retry, EIO, "read"}, ""),
              testing::ExitedWithCode(111), "jail;post_jail;qmail-test: fatal: read: .*\n$");
}

TEST(SkeletonDeathTest, AnAccountThatCannotBeIsAFailedPhase) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: others keep what they are";
  EXPECT_EXIT(run([](TalkingDaemon& d) { d.process_options.account = ":0:0"; }),
              testing::ExitedWithCode(111),
              "^qmail-test: fatal: account: account \":0:0\" has root's uid or gid");
}

}  // namespace
}  // namespace qv::process
