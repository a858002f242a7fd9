// SPDX-License-Identifier: 0BSD
// process/channel.h - messages between two processes of one program, over a SOCK_SEQPACKET
// socketpair.
//
// A message is a kind, a serial number, a body and at most one descriptor.  A body too long for one
// packet travels as a sealed memory file; the receiver sees no difference.  Neither side trusts the
// other: an incomplete message is Fault::protocol, its descriptors are closed, and nothing exceeds
// the bounds below.
//
// Threads: none.  Tests: tests/process/channel_test.cc, tests/fuzz/fuzz_channel.cc
#ifndef QV_PROCESS_CHANNEL_H_
#define QV_PROCESS_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/fd.h"
#include "core/result.h"

namespace qv::process {

inline constexpr std::size_t kMaxPacketBody = 65536;  // bytes in the packet itself
inline constexpr std::size_t kMaxBody = 17U << 20;    // bytes in all

struct Channel {
  Fd ours;
  Fd theirs;
};

// Both ends close-on-exec and blocking.  Error: the errno of socketpair(2).
[[nodiscard]] Result<Channel> open_channel();

struct Message {
  std::uint32_t kind = 0;  // its meaning is the caller's
  std::uint64_t serial = 0;
  std::string body;
  Fd file;
};

enum class Waiting : std::uint8_t { allowed, never };

// Sends a message.  The caller keeps `file`; -1 is none.  Never raises SIGPIPE; retries after
// EINTR. Errors: EPIPE and ECONNRESET, the peer is gone; EAGAIN, it would block; EMSGSIZE, a body
// longer than kMaxBody, or longer than kMaxPacketBody with a file beside it.
[[nodiscard]] Result<void> send_message(const Fd& socket, std::uint32_t kind, std::uint64_t serial,
                                        std::string_view body, int file, Waiting waiting);

// Receives one message; retries after EINTR.  Errors: Fault::retry with EPIPE or ECONNRESET, the
// peer is gone, or with EAGAIN, there is no message yet; Fault::protocol, the packet is no message.
[[nodiscard]] Result<Message> receive_message(const Fd& socket, Waiting waiting);

// A struct without padding as a body.
template <class T>
[[nodiscard]] std::string_view as_bytes(const T& value) {
  static_assert(std::has_unique_object_representations_v<T>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace qv::process

#endif  // QV_PROCESS_CHANNEL_H_
