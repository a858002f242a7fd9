// SPDX-License-Identifier: 0BSD
#include "helper/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <utility>

#include "core/fault.h"

namespace qv::helper {

namespace {

// Room for one descriptor and, as CMSG_SPACE rounds up, perhaps a second.
union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

// Keeps the first descriptor of the message, closes what else came.
Fd take_descriptor(msghdr& message) {
  Fd kept;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      memcpy(&number, CMSG_DATA(c) + i * sizeof(int), sizeof number);
      Fd fd(number);
      if (!kept.valid()) kept = std::move(fd);
    }
  }
  return kept;
}

}  // namespace

Result<Channel> open_channel() {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return errno_error("socketpair");
  }
  return Channel{Fd(ends[0]), Fd(ends[1])};
}

Result<void> send_message(const Fd& socket, std::string_view message, int fd, Waiting waiting) {
  iovec piece{const_cast<char*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  Control control{};
  if (fd >= 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  }
  const int flags = MSG_NOSIGNAL | (waiting == Waiting::never ? MSG_DONTWAIT : 0);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket.get(), &header, flags);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno_error("send");
  return {};
}

Result<Received> receive_message(const Fd& socket, std::span<char> buffer, Waiting waiting) {
  iovec piece{buffer.data(), buffer.size()};
  Control control{};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  const int flags = MSG_CMSG_CLOEXEC | MSG_TRUNC | (waiting == Waiting::never ? MSG_DONTWAIT : 0);
  ssize_t got = 0;
  do {
    got = recvmsg(socket.get(), &header, flags);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno_error("receive");
  Received received;
  received.size = static_cast<std::size_t>(got);
  received.file = take_descriptor(header);
  return received;
}

}  // namespace qv::helper
