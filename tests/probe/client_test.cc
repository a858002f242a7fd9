// SPDX-License-Identifier: 0BSD
// The verify protocol as a client sees it, over a socket pair.
#include "probe/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fakes/fake_loop.h"
#include "tests/fakes/fake_network.h"

namespace qv::probe {
namespace {

constexpr std::int64_t kBeginning = 2000000000;

class Client : public testing::Test, private event::Stream::User {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    client_.reset(ends[0]);
    server_fd_ = ends[1];
    network_.hops["inet:192.0.2.1:25"].replies = {{"RCPT TO:<none@", "550 5.1.1 unknown"}};
    network_.hops["inet:192.0.2.1:25"].delay_us = kSecond_us / 10;
    std::vector<control::ControlLine> lines;
    ASSERT_TRUE(control::parse_control_text("x.example:192.0.2.1", lines));
    std::vector<control::Problem> problems;
    service_.set_routes(Routes(lines, {}, problems));
    stream_ = std::make_unique<event::Stream>(loop_, Fd(server_fd_), limits_);
    session_ = std::make_unique<VerifyClient>(clients_, *stream_);
    stream_->start(*this);
    loop_.run();
    EXPECT_EQ(read_reply(), message({{"protocol", "address_verification_prrotocol"}}));
  }

  using Attributes = std::vector<std::pair<std::string, std::string>>;
  static std::string message(const Attributes& attributes) {
    std::string out;
    for (const auto& [name, value] : attributes) wire::append_attribute(out, name, value);
    wire::end_attributes(out);
    return out;
  }
  void send(const std::string& bytes) {
    ASSERT_EQ(write(client_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    loop_.make_readable(server_fd_);
    loop_.run();
  }
  std::string read_reply() {
    char buffer[100000];
    const ssize_t got = read(client_.get(), buffer, sizeof buffer);
    return got < 0 ? "(nothing)" : std::string(buffer, static_cast<std::size_t>(got));
  }
  std::string ask(const Attributes& attributes) {
    send(message(attributes));
    return read_reply();
  }
  void pass(double seconds) { loop_.advance_us(static_cast<std::int64_t>(seconds * 1e6)); }

  std::size_t on_input(event::Stream& stream, std::string_view input) override {
    return session_->on_input(stream, input);
  }
  void on_end(event::Stream& /*stream*/, event::StreamEnd why) override { ended_ = why; }

  FakeLoop loop_;
  FakeNetwork network_{loop_};
  event::StreamLimits limits_;
  std::unique_ptr<cache::CacheStore> store_ = cache::CacheStore::open("", 1000).value();
  std::string said_;
  Report report_ = [this](process::LogLine& line) { said_ += line.text(); };
  Records records_{*store_, kBeginning, report_};
  ProbeDriver driver_{
      {loop_, network_.connector(), network_.resolver(), network_.exchanger_lookup(),
       [] { return 7u; }, [](const event::StreamAddress&) { return false; }},
      ProbeLimits{},
      CalloutOptions{}};
  ServiceSettings settings_{.times = {},
                            .accept_all = cache::RecipientStatus::ok,
                            .domain_check = ProbeDriver::DomainCheck::no};
  ProbeService service_{loop_, [] { return kBeginning; }, records_, driver_, settings_, report_};
  VerifyClients clients_{service_, *store_, records_, {}, report_};
  Fd client_;
  int server_fd_ = -1;
  std::unique_ptr<event::Stream> stream_;
  std::unique_ptr<VerifyClient> session_;
  std::optional<event::StreamEnd> ended_;
};

TEST_F(Client, IsToldAsPostfixDoes) {
  EXPECT_EQ(ask({{"request", "query"}, {"address", "joe@x.example"}}),
            message({{"status", "0"},
                     {"recipient_status", "3"},
                     {"reason", "Address verification in progress"}}));
  pass(1);
  EXPECT_EQ(
      ask({{"request", "query"}, {"address", "joe@x.example"}}),
      message(
          {{"status", "0"}, {"recipient_status", "0"}, {"reason", "host 192.0.2.1 said: 250 ok"}}));
}

TEST_F(Client, MayWaitForTheAnswer) {
  send(message({{"request", "query"}, {"address", "none@x.example"}, {"wait", "3000"}}));
  EXPECT_EQ(read_reply(), "(nothing)");
  pass(1);
  EXPECT_EQ(read_reply(), message({{"status", "0"},
                                   {"recipient_status", "2"},
                                   {"reason", "host 192.0.2.1 said: 550 5.1.1 unknown"},
                                   {"why", "probe"}}));
  EXPECT_EQ(
      ask({{"request", "query"}, {"address", "ann@other.example"}, {"wait", "3000"}}).find("why") !=
          std::string::npos,
      true);
}

TEST_F(Client, IsAnsweredInOrderWhileItWaits) {
  send(message({{"request", "query"}, {"address", "none@x.example"}, {"wait", "3000"}}) +
       message({{"request", "query"}, {"address", "no.address"}}));
  EXPECT_EQ(read_reply(), "(nothing)");
  pass(1);
  loop_.run();
  const std::string replies = read_reply();
  const std::size_t unknown = replies.find("550 5.1.1 unknown");
  const std::size_t syntax = replies.find("not an address");
  ASSERT_NE(unknown, std::string::npos);
  ASSERT_NE(syntax, std::string::npos);
  EXPECT_LT(unknown, syntax);
}

TEST_F(Client, ThatIsGoneIsNotAnswered) {
  send(message({{"request", "query"}, {"address", "none@x.example"}, {"wait", "3000"}}));
  stream_->close_now();
  session_.reset();
  stream_.reset();
  pass(10);
}

TEST_F(Client, MayTellAnOutcome) {
  EXPECT_EQ(ask({{"request", "update"},
                 {"address", "A@Y.example"},
                 {"recipient_status", "0"},
                 {"reason", "delivers to maildir"}}),
            message({{"status", "0"}}));
  EXPECT_EQ(
      ask({{"request", "query"}, {"address", "a@y.example"}}),
      message({{"status", "0"}, {"recipient_status", "0"}, {"reason", "delivers to maildir"}}));
}

TEST_F(Client, SeveralRequestsInOneWriteAndOneByteByByte) {
  const std::string request = message({{"request", "query"}, {"address", "no.address"}});
  send(request + request);
  const std::string two = read_reply();
  ASSERT_EQ(two.size() % 2, 0u);
  EXPECT_EQ(two.substr(0, two.size() / 2), two.substr(two.size() / 2));
  for (const char c : request) send(std::string(1, c));
  EXPECT_EQ(read_reply(), two.substr(0, two.size() / 2));
}

struct BadRow {
  const char* name;
  std::vector<std::pair<std::string, std::string>> attributes;
};

class BadRequest : public Client, public testing::WithParamInterface<BadRow> {};

TEST_P(BadRequest, IsSaidToBeOneAndEndsTheConversation) {
  EXPECT_EQ(ask(GetParam().attributes), message({{"status", "4294967294"}}));
  pass(1);
  EXPECT_EQ(ended_, event::StreamEnd::closed);
  EXPECT_NE(said_.find("bad-request"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, BadRequest,
    testing::Values(
        BadRow{"Unknown", {{"request", "delete"}, {"address", "a@x"}}},
        BadRow{"NoRequest", {{"address", "a@x"}}}, BadRow{"NoAddress", {{"request", "query"}}},
        BadRow{"OtherOrder", {{"address", "a@x"}, {"request", "query"}}},
        BadRow{"Surplus", {{"request", "query"}, {"address", "a@x"}, {"more", "x"}}},
        BadRow{"WaitNoNumber", {{"request", "query"}, {"address", "a@x"}, {"wait", "soon"}}},
        BadRow{"WaitTooLarge", {{"request", "query"}, {"address", "a@x"}, {"wait", "4294967296"}}},
        BadRow{"UpdateTodo",
               {{"request", "update"},
                {"address", "a@x"},
                {"recipient_status", "3"},
                {"reason", "x"}}},
        BadRow{"UpdateUnknown",
               {{"request", "update"},
                {"address", "a@x"},
                {"recipient_status", "4"},
                {"reason", "x"}}},
        BadRow{"UpdateCut", {{"request", "update"}, {"address", "a@x"}}},
        BadRow{"ListNone", {{"request", "list"}, {"after", ""}, {"limit", "0"}}},
        BadRow{"PurgeNothing", {{"request", "purge"}, {"what", ""}}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(Client, NonsenseEndsTheConversation) {
  send(std::string(2, '\0'));
  EXPECT_EQ(read_reply(), message({{"status", "4294967294"}}));
}

TEST_F(Client, AnEndlessMessageEndsTheConversation) {
  send("request" + std::string(1, '\0') + std::string(70000, 'x'));
  EXPECT_EQ(read_reply(), message({{"status", "4294967294"}}));
}

TEST_F(Client, AnUpdateForNoAddressFails) {
  EXPECT_EQ(ask({{"request", "update"},
                 {"address", "nobody"},
                 {"recipient_status", "0"},
                 {"reason", "x"}}),
            message({{"status", "4294967295"}}));
}

TEST_F(Client, ListsPutsAndPurges) {
  for (const char* key : {"a@x.example", "b@x.example", "c@y.example", "@x.example"}) {
    EXPECT_EQ(ask({{"request", "put"}, {"key", key}, {"record", "0:0:5:ok"}}),
              message({{"status", "0"}}));
  }
  EXPECT_EQ(ask({{"request", "list"}, {"after", "@x.example"}, {"limit", "2"}}),
            message({{"status", "0"},
                     {"count", "2"},
                     {"entries", "a@x.example\t0:0:5:ok\nb@x.example\t0:0:5:ok\n"}}));
  EXPECT_EQ(ask({{"request", "purge"}, {"what", "X.example"}}),
            message({{"status", "0"}, {"count", "3"}}));
  EXPECT_EQ(ask({{"request", "purge"}, {"what", "C@y.example"}}),
            message({{"status", "0"}, {"count", "1"}}));
  EXPECT_EQ(store_->size(), 0u);
  ask({{"request", "put"}, {"key", "a@x.example"}, {"record", "0:0:5:ok"}});
  EXPECT_EQ(ask({{"request", "purge"}, {"what", "--all"}}),
            message({{"status", "0"}, {"count", "1"}}));
}

TEST_F(Client, PutsOnlyWhatIsAnEntry) {
  for (const auto& [key, record] : {std::pair{"nobody", "0:0:5:"}, std::pair{"a@x", "0:0:0:"},
                                    std::pair{"a@x", "nonsense"}, std::pair{"a\t@x", "0:0:5:"}}) {
    EXPECT_EQ(ask({{"request", "put"}, {"key", key}, {"record", record}}),
              message({{"status", "4294967295"}}));
  }
}

}  // namespace
}  // namespace qv::probe
