// SPDX-License-Identifier: 0BSD
// verify/service.h - datagrams in, datagrams out.
//
// A batch of datagrams is received with one system call; each is parsed, decided and answered; and
// the replies are sent with one system call.  A query whose decision has to wait is parked with the
// verifier.  Every query is answered exactly once, except an undecided legacy one under LEGACYTEMP
// silent.
//
// Threads: none.  Blocking: never, but for reading changed control files.
// Manual: qmail-verify(8), qmail-verify-protocol(7).  Tests: tests/e2e/wire.py,
// tests/e2e/daemon.py
#ifndef QV_VERIFY_SERVICE_H_
#define QV_VERIFY_SERVICE_H_

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
#include "event/loop.h"
#include "process/log.h"
#include "verify/options.h"
#include "verify/verifier.h"
#include "wire/datagram.h"

namespace qv::verify {

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

// A bound datagram socket, read and written in batches.  Nothing is allocated per datagram.  A
// reply that cannot be sent is dropped: the client asks again.
class DatagramSocket {
 public:
  // Small: while one batch is decided, clients already have the answers of the one before, and its
  // bytes stay in the nearest cache.  64 at a time were a fifth slower.
  static constexpr int kBatch = 16;

  // Takes a bound datagram socket.  Error: options that a wildcard address needs cannot be set.
  [[nodiscard]] static Result<std::unique_ptr<DatagramSocket>> adopt(Fd bound);

  struct Datagram {
    std::string_view bytes;
    bool truncated = false;  // longer than kMaxDatagram
    const Peer* peer = nullptr;
  };

  // Receives what has arrived, at most kBatch datagrams, and returns how many.
  [[nodiscard]] int receive();
  // The i-th of them; its views are valid until the next receive().
  [[nodiscard]] Datagram received(int i) const;

  // Room for one reply, at least kMaxDatagram bytes; commit() says how many were used, and for
  // whom.
  [[nodiscard]] std::span<char> prepare();
  void commit(const Peer& peer, std::size_t size);
  // Sends what was committed.
  void flush();

  // Replies that could not be sent since the start.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  // One byte longer than a datagram may be, so that a longer one shows.
  static constexpr std::size_t kBuffer = 1216;
  static_assert(kBuffer > wire::datagram::kMaxDatagram);

  // kBatch messages with room for their bytes; the headers point at them for good.  Datagrams come
  // in at fixed places; replies, which are short, go out packed one after the other.
  struct Slots {
    Slots();
    std::array<mmsghdr, kBatch> headers{};
    std::array<iovec, kBatch> vectors{};
    std::array<Peer, kBatch> peers{};
    std::array<char, kBatch * kBuffer> bytes{};
    std::size_t used = 0;
  };

  DatagramSocket(Fd fd, bool wildcard);

  Fd fd_;
  Slots in_;
  Slots out_;
  int queued_ = 0;
  std::uint64_t dropped_ = 0;
};

// Answers the queries of one socket.
class VerifyService {
 public:
  // Begins at once.  REQUIRES: all outlive this object.  Do not run the loop after its destruction
  // while queries are parked.
  VerifyService(event::Loop& loop, const Options& options, Verifier& verifier,
                process::LogWriter& log, std::unique_ptr<DatagramSocket> socket);

  // Replies that could not be sent since the start.
  [[nodiscard]] std::uint64_t unsent() const { return socket_->dropped(); }

 private:
  struct Incoming {
    DatagramSocket::Datagram datagram;
    wire::datagram::Parsed form = wire::datagram::Parsed::legacy;
    wire::datagram::Query query;
    rcpt::CdbPrefetch prefetch;
  };

  void watch();
  void on_readable();
  void answer_batch(int count);
  void answer_one(const Incoming& incoming, std::int64_t now);
  void finish(const Peer& peer, const wire::datagram::Query& query, const rcpt::Decision& decision,
              std::int64_t asked_at_us);
  void flush_soon();

  event::Loop& loop_;
  const Options& options_;
  Verifier& verifier_;
  process::LogWriter& log_;
  std::unique_ptr<DatagramSocket> socket_;
  event::Loop::Owned watch_;  // none while the socket is busy
  event::Loop::Owned again_;
  event::Loop::Owned flush_;
};

}  // namespace qv::verify

#endif  // QV_VERIFY_SERVICE_H_
