// SPDX-License-Identifier: 0BSD
// verify/datagram_socket.h - a bound datagram socket read and written in batches.
//
// One system call receives up to kBatch datagrams, one sends up to kBatch replies.  Buffers are
// part of the object; nothing is allocated per datagram.  A reply that cannot be sent is dropped:
// the client asks again.
//
// Threads: none.  Blocking: never.  Owns: the descriptor.  Tests: tests/e2e/wire.py,
// tests/e2e/daemon.py
#ifndef QV_VERIFY_DATAGRAM_SOCKET_H_
#define QV_VERIFY_DATAGRAM_SOCKET_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"
#include "wire/datagram.h"

namespace qv {

// Who sent a datagram, and to which of our addresses: all that a reply needs.
struct Peer {
  union {
    sockaddr any;
    sockaddr_in in;
    sockaddr_in6 in6;
    sockaddr_un un;
  } address;
  socklen_t address_size = 0;
  // The IP_PKTINFO or IPV6_PKTINFO message of a socket bound to the wildcard address, else empty.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control;
  std::size_t control_size = 0;
};

class DatagramSocket {
 public:
  // Small: while one batch is worked on, clients already have the answers of the one before, and
  // its bytes stay in the nearest cache.  64 at a time were a fifth slower.
  static constexpr int kBatch = 16;

  // Takes a bound datagram socket.  Error: options that a wildcard address needs cannot be set.
  [[nodiscard]] static Result<DatagramSocket> adopt(Fd bound);

  // One that was received.
  struct Datagram {
    std::string_view bytes;
    bool truncated = false;  // longer than kMaxDatagram
    const Peer* peer = nullptr;
  };

  // Receives what has arrived, at most kBatch datagrams, and returns how many (0: nothing there).
  [[nodiscard]] int receive();
  // The i-th of them; its views are valid until the next receive().
  [[nodiscard]] Datagram received(int i) const;

  // Room for one reply to `peer`, at least kMaxDatagram bytes; commit() says how many were used.
  [[nodiscard]] std::span<char> prepare();
  void commit(const Peer& peer, std::size_t size);
  // Sends what was committed.
  void flush();

  // Replies that could not be sent since the start.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  // Received ones may be one byte too long, so that a too long one shows.
  static constexpr std::size_t kBuffer = 1216;
  static_assert(kBuffer > datagram::kMaxDatagram);
  struct Slots;
  struct Free {
    void operator()(Slots* slots) const;
  };

  DatagramSocket(Fd fd, bool wildcard);

  Fd fd_;
  std::unique_ptr<Slots, Free> in_;
  std::unique_ptr<Slots, Free> out_;
  int queued_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace qv

#endif  // QV_VERIFY_DATAGRAM_SOCKET_H_
