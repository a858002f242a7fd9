// SPDX-License-Identifier: 0BSD
#include "lmtp/session.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/fake_loop.h"

namespace qv::lmtp {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

// Keeps what it is asked until the test answers.
class FakeDeliveries final : public Deliveries {
 public:
  struct Delivery {
    deliver::Job job;
    std::string body;
    Ended ended;
  };
  Ticket find(const std::string& recipient, Found found) override {
    names.push_back(recipient);
    finds[++tickets] = std::move(found);
    return tickets;
  }
  Ticket find_room(deliver::Job job, Ended ended) override {
    if (!has_time) return 0;
    asked_room.push_back(std::move(job));
    rooms[++tickets] = std::move(ended);
    return tickets;
  }
  void deliver(deliver::Job job, int message, Ended ended) override {
    char body[1000];
    const ssize_t n = pread(message, body, sizeof body, 0);
    deliveries.push_back(
        {std::move(job), std::string(body, n < 0 ? 0 : std::size_t(n)), std::move(ended)});
  }
  void cancel(Ticket ticket) override {
    finds.erase(ticket);
    rooms.erase(ticket);
  }
  // Answers the oldest question.
  void found(const deliver::Outcome& outcome, const deliver::Mailbox& mailbox) {
    const Found call = std::move(finds.begin()->second);
    finds.erase(finds.begin());
    call(outcome, mailbox);
  }
  void room(const deliver::Outcome& outcome) {
    const Ended call = std::move(rooms.begin()->second);
    rooms.erase(rooms.begin());
    call(outcome);
  }
  void end(std::size_t index, const deliver::Outcome& outcome) {
    std::exchange(deliveries[index].ended, nullptr)(outcome);
  }

  Ticket tickets = 0;
  bool has_time = true;
  std::vector<std::string> names;
  std::vector<deliver::Job> asked_room;
  std::map<Ticket, Found> finds;
  std::map<Ticket, Ended> rooms;
  std::vector<Delivery> deliveries;
};

class SessionTest : public testing::Test {
 protected:
  SessionTest()
      : service_{.settings = settings_,
                 .deliveries = &deliveries_,
                 .host = "mx.example",
                 .log = [this](process::LogLine line) { log_ += line.text(); },
                 .ended = [this] { ++ended_; }} {
    settings_.spool_directory = "/var/tmp";
    settings_.message_limit = 1000;
    settings_.mailbox_limit = 0;
    limits_.stream.idle_us = 300 * kSecond;
    server_.emplace(loop_, limits_);
  }
  ~SessionTest() override { server_.reset(); }
  Fd connect() {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    fd_ = pair[1];
    server_->add(Fd(pair[1]), [this](event::Stream& stream) {
      return std::make_unique<ClientSession>(service_, stream);
    });
    loop_.run();
    return Fd(pair[0]);
  }
  // What the client has been told since it was last asked; each line up to its fourth byte.
  std::string told(const Fd& client) {
    char bytes[4000];
    loop_.run();
    const ssize_t n = recv(client.get(), bytes, sizeof bytes, 0);
    if (n < 0) return "nothing";
    std::string_view rest(bytes, static_cast<std::size_t>(n));
    std::string codes;
    while (!rest.empty()) {
      if (rest[3] == ' ') codes += std::string(rest.substr(0, 3)) + " ";
      rest.remove_prefix(rest.find('\n') + 1);
    }
    return codes.empty() ? "(end)" : codes.substr(0, codes.size() - 1);
  }
  void say(const Fd& client, std::string_view bytes) {
    ASSERT_EQ(send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    loop_.make_readable(fd_);
    loop_.run();
  }
  void find_all(const deliver::Mailbox& mailbox = {"/mail/bob/", "", 5, 5, {}}) {
    while (!deliveries_.finds.empty()) {
      deliveries_.found(deliver::done(0), mailbox);
      loop_.run();
    }
  }
  FakeLoop loop_;
  deliver::DeliverSettings settings_;
  FakeDeliveries deliveries_;
  std::string log_;
  int ended_ = 0;
  Service service_;
  event::StreamServerLimits limits_;
  std::optional<event::StreamServer> server_;
  int fd_ = -1;
};

constexpr std::string_view kBegin =
    "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<bob@y>\r\nRCPT TO:<no@y>\r\nRCPT "
    "TO:<mary@y>\r\nDATA\r\n";

TEST_F(SessionTest, OneRecipientAfterTheOther) {
  const Fd client = connect();
  EXPECT_EQ(told(client), "220");
  say(client, kBegin);
  EXPECT_EQ(told(client), "250 250");
  EXPECT_EQ(deliveries_.names, std::vector<std::string>{"bob@y"});
  deliveries_.found(deliver::done(0), {"/mail/bob/", "", 5, 6, {}});
  EXPECT_EQ(told(client), "250");
  deliveries_.found(deliver::refuse("5.1.1", "no such mailbox"), {});
  EXPECT_EQ(told(client), "550");
  deliveries_.found(deliver::done(0), {"/mail/mary", "", 7, 8, {}});
  EXPECT_EQ(told(client), "250 354");
  EXPECT_EQ(deliveries_.names, (std::vector<std::string>{"bob@y", "no@y", "mary@y"}));
  EXPECT_NE(log_.find("status=refuse code=5.1.1 rcpt=no@y sender=a@x"), std::string::npos);
  EXPECT_EQ(service_.counters.refused_recipients, 1u);
}

TEST_F(SessionTest, RepliesComeInTheOrderOfTheRecipients) {
  const Fd client = connect();
  say(client,
      "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b1@y>\r\nRCPT TO:<b2@y>\r\nRCPT TO:<b3@y>\r\n"
      "DATA\r\nhello\r\n.\r\nNOOP\r\n");
  find_all();
  EXPECT_EQ(told(client), "220 250 250 250 250 250 354");
  ASSERT_EQ(deliveries_.deliveries.size(), 3u);
  EXPECT_EQ(deliveries_.deliveries[2].body, "hello\n");
  EXPECT_EQ(deliveries_.deliveries[2].job.envelope.recipient, "b3@y");
  EXPECT_EQ(deliveries_.deliveries[2].job.mailbox.path, "/mail/bob/");
  deliveries_.end(1, deliver::retry("4.3.1", "full"));
  EXPECT_EQ(told(client), "nothing");
  deliveries_.end(0, deliver::done(17));
  EXPECT_EQ(told(client), "250 452");
  deliveries_.end(2, deliver::refuse("5.2.2", "over quota"));
  EXPECT_EQ(told(client), "552 250");  // and NOOP
  EXPECT_EQ(service_.counters.bytes, 17u);
  EXPECT_EQ(service_.counters.deliveries[deliver::Delivery::retry], 1u);
  EXPECT_EQ(service_.counters.messages, 1u);
  EXPECT_EQ(service_.dispatches, 0u);
}

TEST_F(SessionTest, ASecondMessageHasItsOwnRecipients) {
  const Fd client = connect();
  const std::string_view message = "MAIL FROM:<>\r\nRCPT TO:<b@y>\r\nDATA\r\nx\r\n.\r\n";
  say(client, "LHLO c\r\n");
  for (std::size_t n = 0; n < 3; ++n) {
    say(client, message);
    find_all();
    ASSERT_EQ(deliveries_.deliveries.size(), n + 1);
    deliveries_.end(n, deliver::done(1));
    loop_.run();
  }
  // One that was given up leaves no recipient behind.
  say(client, "MAIL FROM:<>\r\nRCPT TO:<b@y>\r\nRSET\r\n");
  find_all();
  say(client, message);
  find_all({"/mail/other/", "", 5, 5, {}});
  EXPECT_EQ(deliveries_.deliveries[3].job.mailbox.path, "/mail/other/");
}

TEST_F(SessionTest, WhetherThereIsRoomIsAskedWhereItMatters) {
  const Fd client = connect();
  const deliver::Mailbox limited{"/mail/bob/", "", 5, 5, {1000, 0}};
  say(client,
      "LHLO c\r\nMAIL FROM:<a@x> SIZE=700\r\nRCPT TO:<b1@y>\r\nRCPT TO:<b2@y>\r\n"
      "RCPT TO:<b3@y>\r\nRCPT TO:<b4@y>\r\n");
  EXPECT_EQ(told(client), "220 250 250");
  deliveries_.found(deliver::done(0), limited);
  EXPECT_EQ(told(client), "nothing");
  ASSERT_EQ(deliveries_.asked_room.size(), 1u);
  EXPECT_EQ(deliveries_.asked_room[0].size, 700u);
  deliveries_.room(deliver::refuse("5.2.2", "mailbox is full"));
  EXPECT_EQ(told(client), "552");
  deliveries_.found(deliver::done(0), limited);
  deliveries_.room(deliver::done(0));
  EXPECT_EQ(told(client), "250");
  // Not now is no reason to refuse.
  deliveries_.found(deliver::done(0), limited);
  deliveries_.room(deliver::retry("4.3.0", "delivery took too long"));
  EXPECT_EQ(told(client), "250");
  deliveries_.has_time = false;
  deliveries_.found(deliver::done(0), limited);
  EXPECT_EQ(told(client), "250");
}

TEST_F(SessionTest, AMessageWhoseClientIsGoneIsDelivered) {
  Fd client = connect();
  say(client, "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nx\r\n.\r\n");
  find_all();
  ASSERT_EQ(deliveries_.deliveries.size(), 1u);
  server_.reset();
  EXPECT_EQ(service_.sessions, 0u);
  EXPECT_EQ(service_.dispatches, 1u);
  deliveries_.end(0, deliver::done(1));
  EXPECT_EQ(service_.dispatches, 0u);
  EXPECT_NE(log_.find("status=done"), std::string::npos);
  EXPECT_EQ(ended_, 2);
}

TEST_F(SessionTest, AQuestionOfAClientThatIsGoneIsForgotten) {
  const Fd client = connect();
  say(client, "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n");
  EXPECT_EQ(deliveries_.finds.size(), 1u);
  server_.reset();
  EXPECT_TRUE(deliveries_.finds.empty());
}

TEST_F(SessionTest, SilenceEndsItAndIsSaid) {
  const Fd client = connect();
  EXPECT_EQ(told(client), "220");
  say(client, "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
  find_all();
  EXPECT_EQ(told(client), "250 250 250 354");
  say(client, "half of a mess");
  loop_.advance_us(299 * kSecond);
  EXPECT_EQ(told(client), "nothing");
  loop_.advance_us(2 * kSecond);
  EXPECT_EQ(told(client), "421");
  EXPECT_EQ(told(client), "(end)");
  EXPECT_TRUE(deliveries_.deliveries.empty());
}

TEST_F(SessionTest, WhileADeliveryTakesItsTimeTheClientMayBeSilent) {
  const Fd client = connect();
  say(client, "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nx\r\n.\r\n");
  find_all();
  EXPECT_EQ(told(client), "220 250 250 250 354");
  loop_.advance_us(1000 * kSecond);
  deliveries_.end(0, deliver::done(1));
  EXPECT_EQ(told(client), "250");
}

TEST_F(SessionTest, WhenTheServiceStopsAMessageUnderWayIsEnded) {
  const Fd client = connect();
  say(client, "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nx\r\n");
  find_all();
  EXPECT_EQ(told(client), "220 250 250 250 354");
  service_.is_stopping = true;
  const auto goodbye = [](event::StreamSession& s) { static_cast<ClientSession&>(s).shut_down(); };
  server_->each_session(goodbye);
  EXPECT_EQ(told(client), "nothing");
  say(client, ".\r\nMAIL FROM:<a@x>\r\n");
  deliveries_.end(0, deliver::done(1));
  EXPECT_EQ(told(client), "250 421");
  EXPECT_EQ(told(client), "(end)");
  const Fd idle = connect();
  EXPECT_EQ(told(idle), "220");
  server_->each_session(goodbye);
  EXPECT_EQ(told(idle), "421");
}

TEST_F(SessionTest, AMessageThatCannotBeKeptIsRefusedForNow) {
  settings_.spool_directory = "/nonexistent";
  settings_.message_limit = 0;
  const Fd client = connect();
  say(client, "LHLO c\r\nMAIL FROM:<a@x> SIZE=100000\r\nRCPT TO:<b@y>\r\nDATA\r\n");
  find_all();
  EXPECT_EQ(told(client), "220 250 250 250 452");
  EXPECT_NE(log_.find("spool="), std::string::npos);
  say(client, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n");
  find_all();
  say(client, std::string(100000, 'x'));
  say(client, "\r\n.\r\nNOOP\r\n");
  EXPECT_EQ(told(client), "250 250 250 354 452 452 250");
  EXPECT_TRUE(deliveries_.deliveries.empty());
  EXPECT_EQ(service_.counters.deliveries[deliver::Delivery::retry], 2u);
}

TEST_F(SessionTest, AMessageThatIsDroppedIsKeptNowhere) {
  const Fd client = connect();
  say(client, "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 5\r\nhello");
  find_all();
  const auto busy = [this] {
    bool is_busy = false;
    server_->each_session([&](event::StreamSession& s) { is_busy = s.is_busy(); });
    return is_busy;
  };
  EXPECT_TRUE(busy());
  say(client, "RSET\r\n");
  EXPECT_FALSE(busy());
  EXPECT_TRUE(deliveries_.deliveries.empty());
}

}  // namespace
}  // namespace qv::lmtp
