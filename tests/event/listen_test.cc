// SPDX-License-Identifier: 0BSD
#include "event/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace qv::event {
namespace {

TEST(ParseStreamAddress, TakesTheThreeForms) {
  const auto unix = parse_stream_address("unix:/tmp/s");
  ASSERT_TRUE(unix.ok());
  EXPECT_EQ(unix.value().get()->sa_family, AF_UNIX);
  const auto four = parse_stream_address("inet:127.0.0.1:25");
  ASSERT_TRUE(four.ok());
  EXPECT_EQ(four.value().get()->sa_family, AF_INET);
  EXPECT_EQ(ntohs(reinterpret_cast<const sockaddr_in*>(four.value().get())->sin_port), 25);
  const auto six = parse_stream_address("inet:[::1]:25");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six.value().get()->sa_family, AF_INET6);
  EXPECT_EQ(six.value().text, "inet:[::1]:25");
}

TEST(ParseStreamAddress, RefusesEverythingElse) {
  for (const std::string& text :
       {std::string(""), std::string("/tmp/s"), std::string("unix:"), std::string("unix:tmp/s"),
        "unix:/" + std::string(107, 'x'), std::string("unix:/a\0b", 9), std::string("inet:25"),
        std::string("inet:localhost:25"), std::string("inet:127.0.0.1:65536"),
        std::string("inet:127.0.0.1:"), std::string("inet:::1:25"), std::string("inet:[]:25"),
        std::string("inet:[127.0.0.1]:25")}) {
    const auto address = parse_stream_address(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().fault, Fault::config) << text;
  }
}

class ListenTest : public testing::Test {
 protected:
  ListenTest() {
    char name[] = "/tmp/qv-listen-XXXXXX";
    directory = mkdtemp(name);
    path = directory + "/s";
    address = parse_stream_address("unix:" + path).value();
  }
  ~ListenTest() override {
    unlink(path.c_str());
    rmdir(directory.c_str());
  }
  Result<Fd> listen() { return listen_on(address, {.mode = 0640, .group = std::nullopt}); }

  std::string directory;
  std::string path;
  StreamAddress address;
};

TEST_F(ListenTest, BindsForDatagramsToo) {
  const SocketAccess access{.mode = 0640, .group = std::nullopt};
  Result<Fd> first = listen_on(address, access, SOCK_DGRAM);
  ASSERT_TRUE(first.ok());
  struct stat st {};
  ASSERT_EQ(lstat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, mode_t{0640});
  // Somebody answers, until nobody does any more.
  const Result<Fd> second = listen_on(address, access, SOCK_DGRAM);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().errnum, EADDRINUSE);
  first.value() = Fd();
  EXPECT_TRUE(listen_on(address, access, SOCK_DGRAM).ok());
}

TEST_F(ListenTest, GivesTheSocketItsMode) {
  const Result<Fd> fd = listen();
  ASSERT_TRUE(fd.ok());
  struct stat st {};
  ASSERT_EQ(lstat(path.c_str(), &st), 0);
  EXPECT_TRUE(S_ISSOCK(st.st_mode));
  EXPECT_EQ(st.st_mode & 07777, mode_t{0640});
  bool in_progress = true;
  EXPECT_TRUE(start_connect(address, in_progress).ok());
  EXPECT_FALSE(in_progress);
}

TEST_F(ListenTest, TakesThePlaceOfASocketNobodyAnswersOn) {
  {
    const Result<Fd> old = listen();
    ASSERT_TRUE(old.ok());
  }
  bool in_progress = false;
  const Result<Fd> refused = start_connect(address, in_progress);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().errnum, ECONNREFUSED);
  const Result<Fd> fresh = listen();
  ASSERT_TRUE(fresh.ok());
  EXPECT_TRUE(start_connect(address, in_progress).ok());
}

TEST_F(ListenTest, LeavesASocketSomebodyAnswersOn) {
  const Result<Fd> first = listen();
  ASSERT_TRUE(first.ok());
  const Result<Fd> second = listen();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().errnum, EADDRINUSE);
  bool in_progress = false;
  EXPECT_TRUE(start_connect(address, in_progress).ok());
}

TEST_F(ListenTest, LeavesAFileThatIsNoSocket) {
  std::ofstream(path) << "precious";
  const Result<Fd> fd = listen();
  ASSERT_FALSE(fd.ok());
  EXPECT_EQ(fd.error().fault, Fault::config);
  std::string word;
  std::ifstream(path) >> word;
  EXPECT_EQ(word, "precious");
}

TEST_F(ListenTest, SaysWhyItCannot) {
  rmdir(directory.c_str());
  const Result<Fd> fd = listen();
  ASSERT_FALSE(fd.ok());
  EXPECT_EQ(fd.error().errnum, ENOENT);
}

TEST(ListenInet, BindsForDatagramsOnce) {
  for (const char* where : {"inet:127.0.0.1:0", "inet:[::1]:0"}) {
    StreamAddress address = parse_stream_address(where).value();
    const Result<Fd> first = listen_on(address, {}, SOCK_DGRAM);
    ASSERT_TRUE(first.ok());
    EXPECT_NE(fcntl(first.value().get(), F_GETFD) & FD_CLOEXEC, 0);
    char byte = 0;
    EXPECT_EQ(recv(first.value().get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    auto* bound = reinterpret_cast<sockaddr*>(&address.storage);
    ASSERT_EQ(getsockname(first.value().get(), bound, &address.size), 0);
    const Result<Fd> second = listen_on(address, {}, SOCK_DGRAM);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().errnum, EADDRINUSE);
  }
}

TEST(ListenInet, ListensOnAnEphemeralPort) {
  const auto address = parse_stream_address("inet:127.0.0.1:0");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(listen_on(address.value(), {}).ok());
}

}  // namespace
}  // namespace qv::event
