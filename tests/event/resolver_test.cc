// SPDX-License-Identifier: 0BSD
// Both look-ups, of addresses and of mail exchangers, against a name server of the test's own on
// the loopback address.
#include "event/resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "event/libevent_loop.h"
#include "probe/exchangers.h"

namespace qv::event {
namespace {

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

// Answers every question with what the test has put into `answer`, by UDP and TCP on one port.
class NameServer : public testing::Test {
 protected:
  void SetUp() override {
    udp_.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(udp_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    getsockname(udp_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    tcp_ = listen_on(parse_stream_address("inet:127.0.0.1:" + std::to_string(port_)).value(), {})
               .value();
    char name[] = "/tmp/qv-resolv-XXXXXX";
    Fd file(mkstemp(name));
    path_ = name;
    std::ofstream(path_) << "nameserver 127.0.0.1:" << port_ << "\n";
    watch_udp_ = loop_.when_readable(udp_.get(), [this] { on_udp(); });
    watch_tcp_ = loop_.when_readable(tcp_.get(), [this] { on_tcp(); });
    limit_ = loop_.after(20000000, [this] {
      FAIL() << "time limit";
      loop_.stop();
    });
  }
  void TearDown() override {
    lookup_.reset();
    resolver_ = nullptr;
    exchangers_ = nullptr;
    unlink(path_.c_str());
  }

  // Header and question of `query` with other flags, then `answers` records.
  std::string reply(const std::string& query, unsigned flags, unsigned answers,
                    const std::string& records) {
    std::size_t end = 12;
    while (query[end] != 0) end += static_cast<std::size_t>(query[end]) + 1;
    end += 5;
    return query.substr(0, 2) + u16(flags) + u16(1) + u16(answers) + u16(0) + u16(0) +
           query.substr(12, end - 12) + records;
  }
  static std::string record(unsigned type, const std::string& data) {
    return "\xc0\x0c" + u16(type) + u16(1) + std::string(4, '\0') +
           u16(static_cast<unsigned>(data.size())) + data;
  }
  void on_udp() {
    char buffer[2000];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got =
        recvfrom(udp_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 12) return;
    ++asked_;
    const std::string query(buffer, static_cast<std::size_t>(got));
    const std::string answer = answer_(query, false);
    if (answer.empty()) return;
    sendto(udp_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
  void on_tcp() {
    client_.reset(accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client_.valid()) return;
    watch_client_ = loop_.when_readable(client_.get(), [this] { on_tcp_query(); });
  }
  void on_tcp_query() {
    watch_client_.reset();
    char buffer[2000];
    const ssize_t got = read(client_.get(), buffer, sizeof buffer);
    ASSERT_GT(got, 14);
    const std::string query(buffer + 2, static_cast<std::size_t>(got) - 2);
    const std::string answer = answer_(query, true);
    const std::string framed = u16(static_cast<unsigned>(answer.size())) + answer;
    EXPECT_EQ(write(client_.get(), framed.data(), framed.size()),
              static_cast<ssize_t>(framed.size()));
    if (closes_) client_.reset();
  }

  std::string exchangers(const std::string& domain) {
    std::string out = "(nothing)";
    if (!exchangers_) exchangers_ = probe::make_exchanger_lookup(loop_, path_);
    lookup_ = exchangers_(domain, [&](const auto& found) {
      out = found.ok() ? "" : "(fault)";
      if (found.ok()) {
        for (const auto& one : found.value()) {
          out += std::to_string(one.preference) + " " + one.host + ";";
        }
      }
      lookup_.reset();
      loop_.stop();
    });
    loop_.run();
    return out;
  }
  std::string addresses(const std::string& host) {
    std::string out = "(nothing)";
    if (!resolver_) resolver_ = make_resolver(loop_, path_);
    lookup_ = resolver_(host, 25, [&](const Result<Addresses>& found) {
      out = found.ok() ? "" : "(fault)";
      if (found.ok()) {
        for (const auto& one : found.value()) out += one.text + ";";
      }
      lookup_.reset();
      loop_.stop();
    });
    EXPECT_EQ(out, "(nothing)");
    loop_.run();
    return out;
  }

  LibeventLoop loop_;
  Fd udp_;
  Fd tcp_;
  unsigned port_ = 0;
  std::string path_;
  int asked_ = 0;
  bool closes_ = false;  // each TCP connection after its reply
  std::function<std::string(const std::string& query, bool tcp)> answer_ =
      [](const std::string&, bool) { return std::string(); };
  Loop::Owned watch_udp_;
  Loop::Owned watch_tcp_;
  Fd client_;
  Loop::Owned watch_client_;
  Loop::Owned limit_;
  Resolver resolver_;
  probe::ExchangerLookup exchangers_;
  Loop::Owned lookup_;
};

const std::string kTwo = std::string("\0\x14\1b\xc0\x0c", 6);

TEST_F(NameServer, TellsExchangers) {
  answer_ = [&](const std::string& query, bool) {
    return reply(query, 0x8180, 2, record(15, kTwo) + record(15, std::string("\0\x0a\1a\0", 5)));
  };
  EXPECT_EQ(exchangers("x.example"), "10 a;20 b.x.example;");
}

TEST_F(NameServer, IsAskedByTcpWhereTheReplyDoesNotFit) {
  answer_ = [&](const std::string& query, bool tcp) {
    return tcp ? reply(query, 0x8180, 1, record(15, kTwo)) : reply(query, 0x8380, 0, "");
  };
  EXPECT_EQ(exchangers("x.example"), "20 b.x.example;");
}

TEST_F(NameServer, MayCloseAfterItsReplyByTcp) {
  closes_ = true;
  answer_ = [&](const std::string& query, bool tcp) {
    return tcp ? reply(query, 0x8180, 1, record(15, kTwo)) : reply(query, 0x8380, 0, "");
  };
  EXPECT_EQ(exchangers("x.example"), "20 b.x.example;");
  EXPECT_EQ(asked_, 1);
}

TEST_F(NameServer, ThatRepliesToAnotherQuestionByTcpIsAskedAgain) {
  answer_ = [&](const std::string& query, bool tcp) {
    std::string forged = reply(query, tcp ? 0x8180 : 0x8380, 0, "");
    if (tcp) forged[0] = static_cast<char>(forged[0] + 1);
    return forged;
  };
  EXPECT_EQ(exchangers("x.example"), "(fault)");
  EXPECT_EQ(asked_, 2);
}

TEST_F(NameServer, SaysThatThereIsNothing) {
  answer_ = [&](const std::string& query, bool) { return reply(query, 0x8183, 0, ""); };
  EXPECT_EQ(exchangers("x.example"), "");
  EXPECT_EQ(exchangers("no..name"), "");
  EXPECT_EQ(addresses("x.example"), "");
}

TEST_F(NameServer, ThatFailsIsAskedAgainAndThenCannotTell) {
  answer_ = [&](const std::string& query, bool) { return reply(query, 0x8182, 0, ""); };
  EXPECT_EQ(exchangers("x.example"), "(fault)");
  EXPECT_EQ(asked_, 2);
}

TEST_F(NameServer, IsWaitedForPastForgedReplies) {
  answer_ = [&](const std::string& query, bool) {
    std::string forged = reply(query, 0x8180, 1, record(15, kTwo));
    forged[0] = static_cast<char>(forged[0] + 1);
    return asked_ == 1 ? forged : reply(query, 0x8180, 0, "");
  };
  EXPECT_EQ(exchangers("x.example"), "");
  EXPECT_EQ(asked_, 2);
}

TEST_F(NameServer, TellsAddresses) {
  answer_ = [&](const std::string& query, bool) {
    // Header, "1 x 7 example 0" in whatever case, type.
    const bool ipv4 = query[12 + 11 + 1] == 1;
    return ipv4 ? reply(query, 0x8180, 1, record(1, "\x7f\1\2\3")) : reply(query, 0x8180, 0, "");
  };
  EXPECT_EQ(addresses("x.example"), "inet:127.1.2.3:25;");
}

TEST_F(NameServer, IsNotNeededForAnAddress) {
  EXPECT_EQ(addresses("192.0.2.1"), "inet:192.0.2.1:25;");
  EXPECT_EQ(asked_, 0);
}

TEST_F(NameServer, ALookUpMayBeForgotten) {
  resolver_ = make_resolver(loop_, path_);
  const auto never = [](const auto&) { FAIL() << "nobody waits"; };
  exchangers_ = probe::make_exchanger_lookup(loop_, path_);
  Loop::Owned mx = exchangers_("x.example", never);
  Loop::Owned address = resolver_("x.example", 25, never);
  const auto forget = loop_.after(10000, [&] {
    mx.reset();
    address.reset();
  });
  const auto end = loop_.after(100000, [&] { loop_.stop(); });
  loop_.run();
}

}  // namespace
}  // namespace qv::event
