// SPDX-License-Identifier: 0BSD
#include "event/stream.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "tests/fakes/fake_loop.h"

namespace qv::event {
namespace {

// Answers every line with what `reply` makes of it.
class LineUser final : public Stream::User {
 public:
  std::size_t on_input(Stream& stream, std::string_view input) override {
    ++calls;
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) return 0;
    lines.emplace_back(input.substr(0, end));
    if (on_line) on_line(stream, lines.back());
    return end + 1;
  }
  void on_last_input(Stream& stream, std::string_view rest) override {
    last = rest;
    if (on_last) on_last(stream);
  }
  void on_connected(Stream& /*stream*/) override { connected = true; }
  void on_end(Stream& /*stream*/, StreamEnd why) override {
    ends.push_back(why);
    if (at_end) at_end();
  }

  int calls = 0;
  std::vector<std::string> lines;
  std::string last;
  bool connected = false;
  std::vector<StreamEnd> ends;
  std::function<void(Stream&, const std::string&)> on_line;
  std::function<void(Stream&)> on_last;
  std::function<void()> at_end;
};

using Ends = std::vector<StreamEnd>;
using Lines = std::vector<std::string>;

class StreamTest : public testing::Test {
 protected:
  StreamTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer = Fd(fds[1]);
    stream = std::make_unique<Stream>(loop, Fd(fds[0]), limits);
    number = fds[0];
    user.on_line = [](Stream& s, const std::string& line) { s.write("<" + line + ">"); };
  }
  void start() { stream->start(user); }
  void peer_sends(std::string_view bytes) {
    ASSERT_EQ(send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    loop.make_readable(number);
  }
  std::string peer_gets() {
    std::string got(1 << 20, '\0');
    const ssize_t n = recv(peer.get(), got.data(), got.size(), 0);
    got.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return got;
  }
  // Everything the stream can get out, the peer reading all the time.
  std::string peer_drains() {
    std::string all;
    for (;;) {
      const std::string some = peer_gets();
      all += some;
      loop.run();
      if (loop.make_writable(number) + loop.make_readable(number) == 0 && some.empty()) break;
      if (some.empty() && peer_gets_nothing_++ > 3) break;
    }
    return all;
  }

  FakeLoop loop;
  StreamLimits limits;
  LineUser user;
  Fd peer;
  int number = -1;
  std::unique_ptr<Stream> stream;

 private:
  int peer_gets_nothing_ = 0;
};

TEST_F(StreamTest, AnswersAMessage) {
  start();
  peer_sends("hello\n");
  EXPECT_EQ(peer_gets(), "<hello>");
}

TEST_F(StreamTest, AnswersPipelinedMessagesInOneWrite) {
  start();
  peer_sends("a\nb\nhal");
  EXPECT_EQ(user.lines, (Lines{"a", "b"}));
  EXPECT_EQ(peer_gets(), "<a><b>");
  peer_sends("f\n");
  EXPECT_EQ(peer_gets(), "<half>");
}

TEST_F(StreamTest, PutsAMessageTogetherFromSingleBytes) {
  start();
  for (const char c : std::string("slow\n")) peer_sends({&c, 1});
  EXPECT_EQ(user.lines, (Lines{"slow"}));
  EXPECT_EQ(peer_gets(), "<slow>");
}

TEST_F(StreamTest, SendsWhatIsWrittenOutsideOfInputWhenTheLoopTurns) {
  start();
  stream->write("one");
  stream->write("two");
  EXPECT_EQ(peer_gets(), "");
  loop.run();
  EXPECT_EQ(peer_gets(), "onetwo");
}

TEST_F(StreamTest, ShowsNothingWhilePaused) {
  user.on_line = [](Stream& s, const std::string& line) {
    if (line == "wait") s.pause();
    s.write("<" + line + ">");
  };
  start();
  peer_sends("wait\nnext\n");
  EXPECT_EQ(user.lines, (Lines{"wait"}));
  peer_sends("more\n");
  EXPECT_EQ(user.lines, (Lines{"wait"}));
  stream->resume();
  loop.run();
  loop.make_readable(number);
  EXPECT_EQ(user.lines, (Lines{"wait", "next", "more"}));
  EXPECT_EQ(peer_gets(), "<wait><next><more>");
}

TEST_F(StreamTest, ReadsNothingMoreFromAPeerThatDoesNotRead) {
  const std::string large(40000, 'v');
  user.on_line = [&large](Stream& s, const std::string&) { s.write(large); };
  start();
  std::string many;
  for (int i = 0; i < 500; ++i) many += "k\n";
  peer_sends(many);
  const std::size_t answered = user.lines.size();
  EXPECT_LT(answered, 100u);
  EXPECT_LT(stream->unsent(), 200000u);
  peer_sends("k\n");
  EXPECT_EQ(user.lines.size(), answered);
  // As soon as it reads, it gets all of it.
  EXPECT_EQ(peer_drains().size(), 501 * large.size());
  EXPECT_EQ(user.lines.size(), 501u);
  EXPECT_EQ(stream->unsent(), 0u);
}

TEST_F(StreamTest, EndsWhenThePeerCloses) {
  start();
  peer.reset();
  loop.make_readable(number);
  EXPECT_EQ(user.ends, (Ends{StreamEnd::peer_closed}));
}

TEST_F(StreamTest, AnswersAPeerThatHasClosedItsSendingSide) {
  start();
  ASSERT_EQ(send(peer.get(), "last\nrest", 9, 0), 9);
  shutdown(peer.get(), SHUT_WR);
  loop.make_readable(number);
  loop.make_readable(number);
  EXPECT_EQ(peer_gets(), "<last>");
  EXPECT_EQ(user.last, "rest");
  EXPECT_EQ(user.ends, (Ends{StreamEnd::peer_closed}));
}

TEST_F(StreamTest, WaitsForItsUserBeforeItEndsAfterTheLastInput) {
  user.on_line = [](Stream& s, const std::string&) { s.pause(); };
  start();
  ASSERT_EQ(send(peer.get(), "ask\n", 4, 0), 4);
  loop.make_readable(number);
  shutdown(peer.get(), SHUT_WR);
  loop.make_readable(number);
  EXPECT_EQ(user.ends, Ends{});
  stream->write("late");
  stream->resume();
  loop.run();
  loop.make_readable(number);
  EXPECT_EQ(peer_gets(), "late");
  EXPECT_EQ(user.ends, (Ends{StreamEnd::peer_closed}));
}

TEST_F(StreamTest, SendsWhatOnLastInputWrites) {
  user.on_last = [](Stream& s) { s.write("bye"); };
  start();
  shutdown(peer.get(), SHUT_WR);
  loop.make_readable(number);
  EXPECT_EQ(user.ends, Ends{});
  loop.run();
  EXPECT_EQ(peer_gets(), "bye");
  EXPECT_EQ(user.ends, (Ends{StreamEnd::peer_closed}));
}

TEST_F(StreamTest, FailsWhenThePeerIsGone) {
  start();
  peer.reset();
  stream->write("to nobody");
  loop.run();
  EXPECT_EQ(user.ends, (Ends{StreamEnd::failed}));
  EXPECT_EQ(stream->errnum(), EPIPE);
}

TEST_F(StreamTest, CloseSendsFirst) {
  user.on_line = [](Stream& s, const std::string&) {
    s.write("bad");
    s.close();
  };
  start();
  peer_sends("x\ny\n");
  EXPECT_EQ(user.lines, (Lines{"x"}));
  loop.run();
  EXPECT_EQ(peer_gets(), "bad");
  EXPECT_EQ(user.ends, (Ends{StreamEnd::closed}));
}

TEST_F(StreamTest, CloseNowSaysNothing) {
  start();
  stream->write("unsent");
  stream->close_now();
  loop.run();
  EXPECT_EQ(user.ends, Ends{});
  EXPECT_EQ(peer_gets(), "");
}

TEST_F(StreamTest, MayBeDestroyedFromEveryCall) {
  user.on_line = [this](Stream&, const std::string&) { stream.reset(); };
  start();
  peer_sends("x\ny\n");
  EXPECT_EQ(user.lines, (Lines{"x"}));
  EXPECT_EQ(stream, nullptr);
}

TEST_F(StreamTest, MayBeDestroyedAtItsEnd) {
  user.at_end = [this] { stream.reset(); };
  start();
  peer.reset();
  loop.make_readable(number);
  EXPECT_EQ(stream, nullptr);
}

TEST_F(StreamTest, DropsAMessageThatIsTooLong) {
  limits.max_input = 1000;
  start();
  peer_sends(std::string(999, 'x'));
  EXPECT_EQ(user.ends, Ends{});
  peer_sends("xx");
  EXPECT_EQ(user.ends, (Ends{StreamEnd::too_much_input}));
}

class Overdue : public StreamTest {
 protected:
  Overdue() {
    limits.idle_us = 1000;
    limits.message_us = 100;
    limits.drain_us = 50;
  }
  std::optional<StreamEnd> after_us(std::int64_t us) {
    loop.advance_us(us);
    return stream->overdue(loop.now_us());
  }
};

TEST_F(Overdue, IdleStreams) {
  start();
  EXPECT_EQ(after_us(999), std::nullopt);
  EXPECT_EQ(after_us(1), StreamEnd::idle);
}

TEST_F(Overdue, ActivityPutsIdlenessOff) {
  start();
  loop.advance_us(900);
  peer_sends("x\n");
  EXPECT_EQ(after_us(999), std::nullopt);
  EXPECT_EQ(after_us(1), StreamEnd::idle);
}

TEST_F(Overdue, HalfMessagesHoweverManyBytesCome) {
  start();
  peer_sends("h");
  loop.advance_us(60);
  peer_sends("a");
  EXPECT_EQ(after_us(39), std::nullopt);
  EXPECT_EQ(after_us(1), StreamEnd::too_slow);
}

TEST_F(Overdue, NewMessagesHaveTheirOwnTime) {
  start();
  peer_sends("h");
  loop.advance_us(60);
  peer_sends("alf\nn");
  EXPECT_EQ(after_us(60), std::nullopt);
  EXPECT_EQ(after_us(40), StreamEnd::too_slow);
}

TEST_F(Overdue, RepliesNotTaken) {
  user.on_line = [](Stream& s, const std::string&) { s.write(std::string(1 << 20, 'v')); };
  start();
  peer_sends("k\n");
  ASSERT_GT(stream->unsent(), 0u);
  EXPECT_EQ(after_us(49), std::nullopt);
  EXPECT_EQ(after_us(1), StreamEnd::too_slow);
}

TEST_F(Overdue, NotWhileItsUserIsTheOneThatIsSlow) {
  user.on_line = [](Stream& s, const std::string&) { s.pause(); };
  start();
  peer_sends("k\nhalf");
  EXPECT_EQ(after_us(5000), std::nullopt);
  EXPECT_EQ(stream->idle_since_us(), INT64_MAX);
  stream->resume();
  loop.run();
  EXPECT_EQ(after_us(99), std::nullopt);
  EXPECT_EQ(after_us(1), StreamEnd::too_slow);
}

TEST_F(StreamTest, SaysWhenItIsConnected) {
  stream->start(user, Stream::Connecting::yes);
  stream->write("early");
  loop.run();
  EXPECT_EQ(peer_gets(), "");
  loop.make_writable(number);
  EXPECT_TRUE(user.connected);
  loop.run();
  EXPECT_EQ(peer_gets(), "early");
  peer_sends("reply\n");
  EXPECT_EQ(user.lines, (Lines{"reply"}));
}

}  // namespace
}  // namespace qv::event
