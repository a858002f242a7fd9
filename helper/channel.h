// SPDX-License-Identifier: 0BSD
// helper/channel.h - one message, and perhaps one descriptor, over a SOCK_SEQPACKET socketpair.
//
// Threads: none.  Tests: tests/helper/channel_test.cc
#ifndef QV_HELPER_CHANNEL_H_
#define QV_HELPER_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "core/fd.h"
#include "core/result.h"

namespace qv::helper {

struct Channel {
  Fd ours;
  Fd theirs;
};

// Both ends close-on-exec and blocking.
[[nodiscard]] Result<Channel> open_channel();

enum class Waiting : std::uint8_t { allowed, never };

// Sends `message`, and `fd` with it unless that is -1.  Never a SIGPIPE; goes on after EINTR.
// Errors: EPIPE and ECONNRESET, the peer is gone; EAGAIN, it would have to wait.
[[nodiscard]] Result<void> send_message(const Fd& socket, std::string_view message, int fd,
                                        Waiting waiting);

struct Received {
  std::size_t size = 0;  // 0: the peer has closed.  Larger than the buffer: the message was longer
  Fd file;               // the descriptor that came with it, if any
};

// Receives one message into `buffer`; goes on after EINTR.  More than one descriptor: all but the
// first are closed.  Errors: ECONNRESET, the peer is gone; EAGAIN, there is none yet.
[[nodiscard]] Result<Received> receive_message(const Fd& socket, std::span<char> buffer,
                                               Waiting waiting);

// Any trivially copyable message as bytes.
template <class T>
[[nodiscard]] std::string_view as_bytes(const T& message) {
  static_assert(std::has_unique_object_representations_v<T>);
  return {reinterpret_cast<const char*>(&message), sizeof message};
}

}  // namespace qv::helper

#endif  // QV_HELPER_CHANNEL_H_
