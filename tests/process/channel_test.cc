// SPDX-License-Identifier: 0BSD
#include "process/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "core/file.h"
#include "process/memory_file.h"

namespace qv::process {
namespace {

class ChannelTest : public testing::Test {
 protected:
  Result<void> send(std::string_view body, int file = -1) {
    return send_message(channel_.ours, 3, 77, body, file, Waiting::never);
  }
  Result<Message> receive() { return receive_message(channel_.theirs, Waiting::never); }
  // What no sender of ours sends, with descriptors beside it.
  void send_bytes(std::string_view bytes, std::vector<int> fds = {}) {
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
      header.msg_control = control;
      header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* c = CMSG_FIRSTHDR(&header);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
    }
    ASSERT_EQ(sendmsg(channel_.ours.get(), &header, 0), static_cast<ssize_t>(bytes.size()));
  }
  // A header as send_message() makes it; the last eight bytes say where the body is.
  std::string header_bytes(char in_file = 0, char unused = 0) {
    std::string bytes = "1mvq";
    bytes += std::string("\3\0\0\0", 4) + std::string("M\0\0\0\0\0\0\0", 8);
    return bytes + in_file + std::string(3, '\0') + unused + std::string(3, '\0');
  }
  void expect_no_message() {
    const Result<Message> got = receive();
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().fault, Fault::protocol);
  }

  Channel channel_ = open_channel().value();
};

TEST_F(ChannelTest, CarriesAMessageAndADescriptor) {
  Fd file = open_memory_file("t").value();
  ASSERT_TRUE(write_all(file.get(), "inside").ok());
  ASSERT_TRUE(send("hello", file.get()).ok());
  const Result<Message> got = receive();
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got.value().kind, 3U);
  EXPECT_EQ(got.value().serial, 77U);
  EXPECT_EQ(got.value().body, "hello");
  ASSERT_TRUE(got.value().file.valid());
  EXPECT_EQ(fcntl(got.value().file.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  std::array<char, 6> inside{};
  ASSERT_EQ(pread(got.value().file.get(), inside.data(), inside.size(), 0), 6);
  EXPECT_EQ(std::string_view(inside.data(), inside.size()), "inside");
}

TEST_F(ChannelTest, ReadsWhatATestWouldWrite) {
  send_bytes(header_bytes() + "body");
  const Result<Message> got = receive();
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got.value().body, "body");
  EXPECT_EQ(got.value().serial, 77U);
}

TEST_F(ChannelTest, TellsSilenceAClosedPeerAndALongMessageApart) {
  EXPECT_EQ(receive().error().errnum, EAGAIN);
  send_bytes(header_bytes() + std::string(kMaxPacketBody + 1, 'x'));
  expect_no_message();
  channel_.ours.reset();
  EXPECT_EQ(receive().error().errnum, EPIPE);
  EXPECT_EQ(send_message(channel_.theirs, 0, 0, "x", -1, Waiting::never).error().errnum, EPIPE);
}

TEST_F(ChannelTest, CarriesABodyOfAnySizeUpToItsBound) {
  for (const std::size_t size : {std::size_t{0}, kMaxPacketBody, kMaxPacketBody + 1, kMaxBody}) {
    std::string body(size, 'b');
    if (size > 0) body.back() = 'e';
    ASSERT_TRUE(send(body).ok()) << size;
    const Result<Message> got = receive();
    ASSERT_TRUE(got.ok()) << size;
    EXPECT_TRUE(got.value().body == body) << size;
    EXPECT_FALSE(got.value().file.valid()) << size;
  }
  EXPECT_EQ(send(std::string(kMaxBody + 1, 'b')).error().errnum, EMSGSIZE);
  EXPECT_EQ(send(std::string(kMaxPacketBody + 1, 'b'), 0).error().errnum, EMSGSIZE);
}

// Every descriptor that a peer sends is either returned or closed.
TEST_F(ChannelTest, KeepsOneDescriptorOfMany) {
  send_bytes(header_bytes(), {channel_.ours.get(), channel_.ours.get()});
  const int next_free = dup(0);
  close(next_free);
  const Result<Message> got = receive();
  ASSERT_TRUE(got.ok());
  ASSERT_TRUE(got.value().file.valid());
  EXPECT_EQ(got.value().file.get(), next_free);
  const int after = dup(0);
  EXPECT_EQ(after, next_free + 1);
  close(after);
}

TEST_F(ChannelTest, WhatIsNoMessageIsRefusedAndItsDescriptorClosed) {
  const int next_free = dup(0);
  close(next_free);
  const std::string wrong_magic = "x" + header_bytes().substr(1);
  for (const std::string& bytes : {std::string("x"), header_bytes().substr(1), wrong_magic,
                                   header_bytes(2), header_bytes(0, 1)}) {
    send_bytes(bytes, {0});
    expect_no_message();
    const int after = dup(0);
    EXPECT_EQ(after, next_free);
    close(after);
  }
}

// What could be cut short while it is read, and what is no memory file, is no body.
TEST_F(ChannelTest, ABodyInAFileIsASealedOne) {
  Fd open_file = open_memory_file("t").value();
  ASSERT_TRUE(write_all(open_file.get(), "text").ok());
  send_bytes(header_bytes(1), {open_file.get()});
  expect_no_message();
  send_bytes(header_bytes(1), {0});
  expect_no_message();
  send_bytes(header_bytes(1));
  expect_no_message();
  ASSERT_TRUE(seal(open_file).ok());
  send_bytes(header_bytes(1) + "beside", {open_file.get()});
  expect_no_message();
  Fd huge = open_memory_file("t").value();
  ASSERT_EQ(ftruncate(huge.get(), static_cast<off_t>(kMaxBody) + 1), 0);
  ASSERT_TRUE(seal(huge).ok());
  send_bytes(header_bytes(1), {huge.get()});
  expect_no_message();
  send_bytes(header_bytes(1), {open_file.get()});
  EXPECT_EQ(receive().value().body, "text");
}

TEST(MemoryFile, ASealedOneCannotChange) {
  Fd file = open_memory_file("t").value();
  ASSERT_TRUE(write_all(file.get(), "whole").ok());
  EXPECT_FALSE(is_sealed(file));
  ASSERT_TRUE(seal(file).ok());
  EXPECT_TRUE(is_sealed(file));
  EXPECT_FALSE(write_all(file.get(), "more").ok());
  EXPECT_NE(ftruncate(file.get(), 0), 0);
}

TEST(MemoryFile, AnOrdinaryFileIsNotSealed) {
  EXPECT_FALSE(is_sealed(open_read("/dev/null").value()));
  EXPECT_FALSE(is_sealed(Fd()));
}

}  // namespace
}  // namespace qv::process
