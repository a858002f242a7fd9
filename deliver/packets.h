// SPDX-License-Identifier: 0BSD
// deliver/packets.h - what the processes of a delivery say to each other: packets, and descriptors.
//
// Over socket pairs of type SOCK_SEQPACKET.  What a packet to a writer begins with is here; what a
// broker is asked is in deliver/broker.h.
//
// Threads: none.  Tests: tests/deliver/broker_test.cc
#ifndef QV_DELIVER_PACKETS_H_
#define QV_DELIVER_PACKETS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "core/fd.h"
#include "core/result.h"

namespace qv {

inline constexpr std::size_t kMaxPacket = 32768;  // three addresses and two paths

inline constexpr char kDeliver = 'd';  // a job; the message is a descriptor
inline constexpr char kRoom = 'r';     // a job; only whether there is room

// Two ends, close-on-exec.
[[nodiscard]] Result<std::pair<Fd, Fd>> packet_pair();

// One packet, with a descriptor where `passed` is one.  False where nobody can take it.
[[nodiscard]] bool send_packet(int socket, std::string_view bytes, int passed = -1);

// Waits for one packet; false at the end.
[[nodiscard]] bool receive_packet(int socket, std::string& bytes, Fd& passed);

// "length:first second", and back: false where it is no such thing.
[[nodiscard]] std::string join_two(std::string_view first, std::string_view second);
[[nodiscard]] bool split_two(std::string_view joined, std::string_view& first,
                             std::string_view& second);

// In a process that was forked to do one thing: /dev/null as standard input and output, `socket`
// as kOnlySocket, standard error, and nothing else.  The process ends where that cannot be had.
inline constexpr int kOnlySocket = 3;
void keep_only(int socket);

}  // namespace qv

#endif  // QV_DELIVER_PACKETS_H_
