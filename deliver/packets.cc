// SPDX-License-Identifier: 0BSD
#include "deliver/packets.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/text.h"
#include "deliver/files.h"

namespace qv {

Result<std::pair<Fd, Fd>> packet_pair() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return errno_error("socketpair");
  }
  return std::pair<Fd, Fd>(Fd(pair[0]), Fd(pair[1]));
}

bool send_packet(int socket, std::string_view bytes, int passed) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  return retry_eintr([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); }) ==
         static_cast<ssize_t>(bytes.size());
}

bool receive_packet(int socket, std::string& bytes, Fd& passed) {
  bytes.resize(kMaxPacket);
  iovec piece{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = retry_eintr([&] { return recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  if (n <= 0) return false;
  bytes.resize(static_cast<std::size_t>(n));
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    passed.reset(fd);
  }
  return true;
}

std::string join_two(std::string_view first, std::string_view second) {
  std::string joined = std::to_string(first.size()) + ":";
  joined += first;
  joined += second;
  return joined;
}

bool split_two(std::string_view joined, std::string_view& first, std::string_view& second) {
  std::uint64_t size = 0;
  if (!parse_decimal(take_until(joined, ':'), joined.size(), size)) return false;
  first = first_bytes(joined, size);
  second = after_bytes(joined, size);
  return first.size() == size;
}

void keep_only(int socket) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) _exit(111);
  if (socket != kOnlySocket && dup2(socket, kOnlySocket) < 0) _exit(111);
  if (close_range(kOnlySocket + 1, ~0u, 0) != 0) {
    const long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = kOnlySocket + 1; fd < static_cast<int>(limit); ++fd) ::close(fd);
  }
}

}  // namespace qv
