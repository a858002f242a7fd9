// SPDX-License-Identifier: 0BSD
#include "udpbits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/fakes/local_endpoint.h"

namespace qv {
namespace {

std::string text_of(const Endpoint& endpoint) {
  char text[kEndpointText];
  return std::string(text, format_endpoint(endpoint, text, sizeof text));
}

// What the text is read as, written again; "mistake" where it is refused.
std::string read_as(std::string_view text) {
  const Result<Endpoint> endpoint = parse_endpoint(text, 11113);
  if (endpoint.ok()) return text_of(endpoint.value());
  EXPECT_EQ(endpoint.error().fault, Fault::config);
  return "mistake";
}

TEST(Endpoint, IsReadWithWhatIsLeftOutFilledIn) {
  EXPECT_EQ(read_as("192.0.2.1:10101"), "192.0.2.1:10101");
  EXPECT_EQ(read_as("192.0.2.1"), "192.0.2.1:11113");
  EXPECT_EQ(read_as(":10101"), "127.0.0.1:10101");
  EXPECT_EQ(read_as(":"), "127.0.0.1:11113");
  EXPECT_EQ(read_as("0.0.0.0:0"), "0.0.0.0:0");
  EXPECT_EQ(read_as("192.0.2.1:65535"), "192.0.2.1:65535");
  EXPECT_EQ(read_as("[2001:DB8::1]:25"), "[2001:db8::1]:25");
  EXPECT_EQ(read_as("[::1]"), "[::1]:11113");
  EXPECT_EQ(read_as("[::]:"), "[::]:11113");
  EXPECT_EQ(read_as("unix:/run/verify.sock"), "unix:/run/verify.sock");
  EXPECT_EQ(read_as("unix:/a:b"), "unix:/a:b");
  EXPECT_EQ(read_as("unix:/" + std::string(106, 'x')), "unix:/" + std::string(106, 'x'));
}

TEST(Endpoint, IsRefusedWhereItIsNotOne) {
  for (const char* bad : {"",
                          "localhost",
                          "localhost:1",
                          "1.2.3",
                          "1.2.3.4.5",
                          "1.2.3.256",
                          "01.2.3.4",
                          " 1.2.3.4",
                          "1.2.3.4 ",
                          "1.2.3.4:65536",
                          "1.2.3.4:-1",
                          "1.2.3.4:+1",
                          "1.2.3.4:1x",
                          "1.2.3.4::1",
                          "::1",
                          "2001:db8::1",
                          "[",
                          "[]",
                          "[::1",
                          "[::1]x",
                          "[::1]1",
                          "[1.2.3.4]",
                          "[fe80::1%lo]",
                          "unix:",
                          "unix:x",
                          "unix",
                          "UNIX:/x",
                          "/x"}) {
    EXPECT_EQ(read_as(bad), "mistake") << bad;
  }
  EXPECT_EQ(read_as(std::string_view("1.2.3.4\0", 8)), "mistake");
  EXPECT_EQ(read_as(std::string_view("[::1\0]", 6)), "mistake");
  EXPECT_EQ(read_as(std::string_view("unix:/a\0b", 9)), "mistake");
  EXPECT_EQ(read_as("unix:/" + std::string(107, 'x')), "mistake");
  EXPECT_EQ(read_as(std::string(4000, '1')), "mistake");
}

TEST(Endpoint, KnowsItsPort) {
  EXPECT_EQ(endpoint_port(parse_endpoint("1.2.3.4:513", 1).value()), 513);
  EXPECT_EQ(endpoint_port(parse_endpoint("[::1]", 514).value()), 514);
  EXPECT_EQ(endpoint_port(parse_endpoint("unix:/x", 1).value()), 0);
}

TEST(Endpoint, OfNoFamilyIsWrittenAsNothing) { EXPECT_EQ(text_of(Endpoint{}), ""); }

class Sockets : public ::testing::Test {
 protected:
  Sockets() { EXPECT_NE(mkdtemp(directory_), nullptr); }
  ~Sockets() override {
    unlink(path().c_str());
    rmdir(directory_);
  }
  [[nodiscard]] std::string path() const { return std::string(directory_) + "/socket"; }

  // Binds `where`, connects to it, sends both ways.
  void talk(const std::string& where) {
    const Fd server = fakes::bind_udp(parse_endpoint(where, 0).value());
    const Fd client = connect_udp(fakes::local_endpoint(server.get())).value();
    EXPECT_EQ(send(client.get(), "ask", 3, 0), 3);
    char buffer[8];
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    auto* to = reinterpret_cast<sockaddr*>(&peer);
    EXPECT_EQ(recvfrom(server.get(), buffer, sizeof buffer, 0, to, &length), 3);
    EXPECT_EQ(sendto(server.get(), "reply", 5, 0, to, length), 5);
    EXPECT_EQ(recv(client.get(), buffer, sizeof buffer, 0), 5);
    EXPECT_NE(fcntl(client.get(), F_GETFD) & FD_CLOEXEC, 0);
  }

 private:
  char directory_[32] = "/tmp/udpbits.XXXXXX";
};

TEST_F(Sockets, TalkOverIpv4) { talk("127.0.0.1:0"); }
TEST_F(Sockets, TalkOverIpv6) { talk("[::1]:0"); }
TEST_F(Sockets, TalkOverUnix) { talk("unix:" + path()); }

TEST_F(Sockets, SayThatNoUnixServerIsThere) {
  const Result<Fd> client = connect_udp(parse_endpoint("unix:" + path(), 0).value());
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().errnum, ENOENT);
}

// A log line printed to a closed standard error must not be sent to the verifier.
TEST_F(Sockets, AreNeverAStandardDescriptor) {
  const int saved = dup(0);
  close(0);
  const Result<Fd> client = connect_udp(parse_endpoint("127.0.0.1:9", 0).value());
  const int free_again = fcntl(0, F_GETFD);
  dup2(saved, 0);
  close(saved);
  ASSERT_TRUE(client.ok());
  EXPECT_GT(client.value().get(), 2);
  EXPECT_EQ(free_again, -1);
  EXPECT_NE(fcntl(client.value().get(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace qv
