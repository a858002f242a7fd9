// SPDX-License-Identifier: 0BSD
#include "helper/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "core/file.h"
#include "helper/memory_file.h"

namespace qv::helper {
namespace {

TEST(Channel, CarriesAMessageAndADescriptor) {
  Channel channel = open_channel().value();
  Fd file = open_memory_file("t").value();
  ASSERT_TRUE(write_all(file.get(), "inside").ok());
  ASSERT_TRUE(send_message(channel.ours, "hello", file.get(), Waiting::never).ok());
  std::array<char, 16> buffer{};
  const Result<Received> got = receive_message(channel.theirs, buffer, Waiting::never);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(std::string_view(buffer.data(), got.value().size), "hello");
  ASSERT_TRUE(got.value().file.valid());
  EXPECT_EQ(fcntl(got.value().file.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  std::array<char, 6> inside{};
  ASSERT_EQ(pread(got.value().file.get(), inside.data(), inside.size(), 0), 6);
  EXPECT_EQ(std::string_view(inside.data(), inside.size()), "inside");
}

TEST(Channel, TellsSilenceAClosedPeerAndALongMessageApart) {
  Channel channel = open_channel().value();
  std::array<char, 4> buffer{};
  EXPECT_EQ(receive_message(channel.theirs, buffer, Waiting::never).error().errnum, EAGAIN);
  ASSERT_TRUE(send_message(channel.ours, "too long", -1, Waiting::never).ok());
  EXPECT_EQ(receive_message(channel.theirs, buffer, Waiting::never).value().size, 8U);
  channel.ours.reset();
  EXPECT_EQ(receive_message(channel.theirs, buffer, Waiting::never).value().size, 0U);
  EXPECT_EQ(send_message(channel.theirs, "x", -1, Waiting::never).error().errnum, EPIPE);
}

// Every descriptor that a peer sends is either returned or closed.
TEST(Channel, KeepsOneDescriptorOfMany) {
  Channel channel = open_channel().value();
  int fds[2] = {channel.ours.get(), channel.ours.get()};
  char byte = 'x';
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fds);
  memcpy(CMSG_DATA(c), fds, sizeof fds);
  ASSERT_EQ(sendmsg(channel.ours.get(), &header, 0), 1);

  const int next_free = dup(0);
  close(next_free);
  std::array<char, 4> buffer{};
  const Result<Received> got = receive_message(channel.theirs, buffer, Waiting::never);
  ASSERT_TRUE(got.ok());
  ASSERT_TRUE(got.value().file.valid());
  EXPECT_EQ(got.value().file.get(), next_free);
  const int after = dup(0);
  EXPECT_EQ(after, next_free + 1);
  close(after);
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
}  // namespace qv::helper
