// SPDX-License-Identifier: 0BSD
#include "process/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <array>
#include <utility>

#include "core/fault.h"
#include "core/file.h"
#include "process/memory_file.h"

namespace qv::process {

namespace {

constexpr std::uint32_t kMagic = 0x71766d31;

struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t kind = 0;
  std::uint64_t serial = 0;
  std::uint32_t in_file = 0;  // 1: the file that comes with it is the body
  std::uint32_t unused = 0;
};

// Room for one descriptor, or two where CMSG_SPACE rounds up.
union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

Error no_message() { return {Fault::protocol, EPROTO, "message"}; }

// Returns the first descriptor of the packet and closes the others.
Fd take_descriptor(msghdr& packet) {
  Fd kept;
  for (cmsghdr* c = CMSG_FIRSTHDR(&packet); c != nullptr; c = CMSG_NXTHDR(&packet, c)) {
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

Result<void> send_packet(const Fd& socket, const Header& header, std::string_view body, int file,
                         Waiting waiting) {
  std::array<iovec, 2> pieces{{{const_cast<Header*>(&header), sizeof header},
                               {const_cast<char*>(body.data()), body.size()}}};
  msghdr packet{};
  packet.msg_iov = pieces.data();
  packet.msg_iovlen = pieces.size();
  Control control{};
  if (file >= 0) {
    packet.msg_control = control.bytes;
    packet.msg_controllen = CMSG_SPACE(sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &file, sizeof file);
  }
  const int flags = MSG_NOSIGNAL | (waiting == Waiting::never ? MSG_DONTWAIT : 0);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket.get(), &packet, flags);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno_error("send");
  return {};
}

// The body in a memory file.  Only a sealed file cannot shrink while it is read.
Result<std::string> read_body(const Fd& file) {
  struct stat st {};
  if (!is_sealed(file) || fstat(file.get(), &st) != 0) return no_message();
  if (st.st_size < 0 || static_cast<std::uint64_t>(st.st_size) > kMaxBody) return no_message();
  if (lseek(file.get(), 0, SEEK_SET) != 0) return no_message();
  std::string body(static_cast<std::size_t>(st.st_size), '\0');
  QV_TRY(const std::size_t size, read_full(file.get(), body.data(), body.size()));
  if (size != body.size()) return no_message();
  return body;
}

Result<Fd> body_file(std::string_view body) {
  QV_TRY(Fd file, open_memory_file("message"));
  QV_TRY_VOID(write_all(file.get(), body));
  QV_TRY_VOID(seal(file));
  return file;
}

}  // namespace

Result<Channel> open_channel() {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return errno_error("socketpair");
  }
  return Channel{Fd(ends[0]), Fd(ends[1])};
}

Result<void> send_message(const Fd& socket, std::uint32_t kind, std::uint64_t serial,
                          std::string_view body, int file, Waiting waiting) {
  Header header;
  header.kind = kind;
  header.serial = serial;
  if (body.size() <= kMaxPacketBody) return send_packet(socket, header, body, file, waiting);
  if (file >= 0 || body.size() > kMaxBody) return Error{Fault::config, EMSGSIZE, "message"};
  QV_TRY(const Fd with_body, body_file(body));
  header.in_file = 1;
  return send_packet(socket, header, {}, with_body.get(), waiting);
}

Result<Message> receive_message(const Fd& socket, Waiting waiting) {
  // One byte more than the longest packet, to detect a longer one.
  static std::array<char, sizeof(Header) + kMaxPacketBody + 1> buffer;
  iovec piece{buffer.data(), buffer.size()};
  Control control{};
  msghdr packet{};
  packet.msg_iov = &piece;
  packet.msg_iovlen = 1;
  packet.msg_control = control.bytes;
  packet.msg_controllen = sizeof control.bytes;
  const int flags = MSG_CMSG_CLOEXEC | (waiting == Waiting::never ? MSG_DONTWAIT : 0);
  ssize_t got = 0;
  do {
    got = recvmsg(socket.get(), &packet, flags);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno_error("receive");
  Message message;
  message.file = take_descriptor(packet);
  if (got == 0) return Error{Fault::retry, EPIPE, "receive"};

  Header header;
  const auto size = static_cast<std::size_t>(got);
  if (size < sizeof header || size == buffer.size()) return no_message();
  memcpy(&header, buffer.data(), sizeof header);
  if (header.magic != kMagic || header.in_file > 1 || header.unused != 0) return no_message();
  message.kind = header.kind;
  message.serial = header.serial;
  message.body.assign(buffer.data() + sizeof header, size - sizeof header);
  if (header.in_file == 0) return message;
  if (!message.body.empty()) return no_message();
  QV_TRY(message.body, read_body(message.file));
  message.file.reset();
  return message;
}

}  // namespace qv::process
