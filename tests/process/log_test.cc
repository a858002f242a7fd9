// SPDX-License-Identifier: 0BSD
#include "process/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "core/fd.h"
#include "core/text.h"
#include "tests/fakes/fake_loop.h"

namespace qv::process {
namespace {

using namespace std::string_view_literals;

LogLine numbered(int number) {
  LogLine line("verify");
  line.add("n", number);
  return line;
}

TEST(LogLine, IsAWordAndFields) {
  LogLine line("verify");
  line.add("result", "reject").add("count", 42).add("offset", -1).add("big", UINT64_MAX);
  EXPECT_EQ(line.text(), "verify result=reject count=42 offset=-1 big=18446744073709551615\n");
  line.add("empty", "");
  EXPECT_TRUE(ends_with(line.text(), " empty=\n"));
}

TEST(LogLine, AValueCannotForgeAFieldOrALine) {
  LogLine line("verify");
  line.add("addr", "a b\nverify result=ok\r\t\"\\\0\xc3\xa9@c"sv);
  EXPECT_EQ(line.text(),
            "verify addr=\"a b\\u000averify result=ok\\u000d\\u0009\\\"\\\\\\u0000\\u00e9@c\"\n");
}

TEST(LogLine, QuotesWhatParsersWouldNotReadBare) {
  LogLine line("w");
  line.add("a", "x=y")
      .add("b", "\xff")
      .add("c", "\xf0\x9f\x93\xa7")
      .add("d", "no-quotes/needed:1,2");
  EXPECT_EQ(line.text(), "w a=\"x=y\" b=\"\\u00ff\" c=\"\\ud83d\\udce7\" d=no-quotes/needed:1,2\n");
}

TEST(LogLine, NamesAProblem) {
  LogLine line("config");
  EXPECT_EQ(line.add({"control/x", 3, "is not set"}).text(),
            "config file=control/x line=3 problem=\"is not set\"\n");
}

TEST(LogLine, WhatDoesNotFitIsLeftOutAndSaid) {
  LogLine line("verify");
  line.add("long", std::string(1000, '\n'));  // 6000 characters
  line.add("why", "syntax");
  EXPECT_EQ(line.text(), "verify why=syntax cut=1\n");
  LogLine full("verify");
  for (int i = 0; i < 1000; ++i) full.add("k", "0123456789");
  EXPECT_LE(full.text().size(), LogLine::kMaxLine);
  EXPECT_TRUE(ends_with(full.text(), "=0123456789 cut=1\n"));
}

class PipeLog : public testing::Test {
 protected:
  PipeLog() {
    signal(SIGPIPE, SIG_IGN);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    fcntl(reader_.get(), F_SETFL, O_NONBLOCK);  // the reader's end: a description of its own
    log_ = std::make_unique<LogWriter>(loop_, writer_.get());
  }
  void write(int from, int to) {
    for (int i = from; i < to; ++i) {
      LogLine line = numbered(i);
      log_->write(line);
    }
  }
  // Everything that has come, until there is no more.
  std::string read_all() {
    std::string all;
    char buffer[65536];
    for (;;) {
      const ssize_t got = read(reader_.get(), buffer, sizeof buffer);
      if (got <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }
  // Reads and lets the log write until nothing comes any more.
  std::string read_on() {
    std::string all;
    for (;;) {
      const std::string some = read_all();
      if (some.empty()) return all;
      all += some;
      loop_.run();
      loop_.make_writable(writer_.get());
    }
  }

  FakeLoop loop_;
  Fd reader_;
  Fd writer_;
  std::unique_ptr<LogWriter> log_;
};

std::string lines(int from, int to) {
  std::string all;
  for (int i = from; i < to; ++i) all += std::string(numbered(i).text());
  return all;
}

TEST_F(PipeLog, LinesGoOutTogetherAtTheEndOfTheTurn) {
  write(0, 3);
  EXPECT_EQ(read_all(), "");
  loop_.run();
  EXPECT_EQ(read_all(), lines(0, 3));
  write(3, 4);
  log_->flush();
  EXPECT_EQ(read_all(), lines(3, 4));
}

TEST_F(PipeLog, AFullPipeMakesNobodyWaitAndLosesNothing) {
  const int most = 9000;  // more than a pipe holds, less than the buffer does
  write(0, most);
  log_->flush();
  EXPECT_GT(log_->pending(), 0U);
  EXPECT_EQ(read_on(), lines(0, most));
  EXPECT_EQ(log_->pending(), 0U);
  EXPECT_EQ(log_->dropped(), 0U);
  EXPECT_EQ(fcntl(writer_.get(), F_GETFL) & O_NONBLOCK, 0) << "it is shared with others";
}

// Between two of the writes another process's line may stand; a pipe in packet mode shows them.
TEST(PacketLog, EachWriteIsWholeLinesThatFitAPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  FakeLoop loop;
  LogWriter log(loop, writer.get());
  std::string all;
  for (int i = 0; i < 60; ++i) {
    LogLine line("verify");
    const std::string value(static_cast<std::size_t>(i * 37), 'x');
    line.add("value", value);
    all += std::string(line.text());
    log.write(line);
  }
  log.flush();
  std::string came;
  char piece[2 * PIPE_BUF];
  while (came.size() < all.size()) {
    const ssize_t got = read(reader.get(), piece, sizeof piece);
    ASSERT_GT(got, 0);
    EXPECT_LE(got, PIPE_BUF);
    EXPECT_EQ(piece[got - 1], '\n');
    came.append(piece, static_cast<std::size_t>(got));
    loop.make_writable(writer.get());
  }
  EXPECT_EQ(came, all);
}

TEST_F(PipeLog, WhatDoesNotFitTheBufferIsDroppedAndCounted) {
  const int most = 60000;
  write(0, most);
  log_->flush();
  write(most, 2 * most);
  const std::uint64_t dropped = log_->dropped();
  EXPECT_GT(dropped, 0U);
  EXPECT_LE(log_->pending(), LogWriter::kBufferSize);
  const std::string all = read_on();
  const std::string said = "log dropped=";
  std::uint64_t told = 0;
  std::uint64_t came = 0;
  std::string_view rest(all);
  while (!rest.empty()) {
    const std::string_view line = take_until(rest, '\n');
    std::uint64_t number = 0;
    if (starts_with(line, said)) {
      ASSERT_TRUE(parse_decimal(after_bytes(line, said.size()), UINT64_MAX, number)) << line;
      told += number;
      continue;
    }
    ASSERT_TRUE(starts_with(line, "verify n=")) << line;
    ASSERT_TRUE(parse_decimal(after_bytes(line, 9), UINT64_MAX, number)) << line;
    ++came;
  }
  EXPECT_EQ(told, dropped);
  EXPECT_EQ(came + dropped, 2U * most);
  write(7, 8);
  EXPECT_EQ(log_->dropped(), dropped);
  loop_.run();
  EXPECT_EQ(read_all(), lines(7, 8));
}

TEST_F(PipeLog, AReaderThatIsGoneCostsLinesOnly) {
  reader_.reset();
  write(0, 5);
  loop_.run();
  EXPECT_EQ(log_->pending(), 0U);
  EXPECT_EQ(log_->dropped(), 5U);
  write(5, 6);
  loop_.run();
  EXPECT_EQ(log_->dropped(), 6U);
}

TEST_F(PipeLog, DrainWaitsForTheReaderAndNotForEver) {
  write(0, 9000);
  log_->drain(50000);
  EXPECT_GT(log_->pending(), 0U);
  std::string all = read_all();
  log_->drain(50000);
  all += read_all();
  log_->drain(50000);
  all += read_all();
  EXPECT_EQ(log_->pending(), 0U);
  EXPECT_EQ(all, lines(0, 9000));
}

TEST(FileLog, AFileIsWrittenInOneGo) {
  char name[] = "/tmp/qv-log-XXXXXX";
  const Fd file(mkstemp(name));
  unlink(name);
  FakeLoop loop;
  LogWriter log(loop, file.get());
  for (int i = 0; i < 9000; ++i) {
    LogLine line = numbered(i);
    log.write(line);
  }
  log.flush();
  EXPECT_EQ(log.pending(), 0U);
  struct stat st {};
  ASSERT_EQ(fstat(file.get(), &st), 0);
  EXPECT_EQ(static_cast<std::size_t>(st.st_size), lines(0, 9000).size());
}

// A stderr that a service manager connected to a stream socket.
TEST(SocketLog, AFullSocketMakesNobodyWaitAndLosesNothing) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const Fd writer(ends[0]);
  const Fd reader(ends[1]);
  const int small = 4096;
  setsockopt(writer.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  FakeLoop loop;
  LogWriter log(loop, writer.get());
  for (int i = 0; i < 9000; ++i) {
    LogLine line = numbered(i);
    log.write(line);
  }
  log.flush();
  EXPECT_GT(log.pending(), 0U);
  std::string all;
  char buffer[65536];
  for (;;) {
    const ssize_t got = recv(reader.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) break;
    all.append(buffer, static_cast<std::size_t>(got));
    loop.make_writable(writer.get());
  }
  EXPECT_EQ(all, lines(0, 9000));
}

TEST(OtherLog, ADeviceIsNotWatched) {
  const Fd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  FakeLoop loop;
  LogWriter log(loop, null.get());
  LogLine line = numbered(1);
  log.write(line);
  loop.run();
  EXPECT_EQ(log.pending(), 0U);
  EXPECT_EQ(log.dropped(), 0U);
}

}  // namespace
}  // namespace qv::process
