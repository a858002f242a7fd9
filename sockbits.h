// SPDX-License-Identifier: 0BSD
// sockbits.h - one question, one answer, one deadline on a datagram socket.
//
// A question is sent on a connected socket.  The caller's test sees every datagram that arrives,
// and the first that passes is the answer.  Others (forged, late, foreign) are dropped: they
// neither lengthen nor end the wait.  The answer may also come from a socket that the question was
// sent on before.
//
// Threads: no state.  Blocking: until the deadline, never longer.  Signals: EINTR is handled.
// Allocates nothing; links without the C++ runtime.
// Tests: tests/sockbits_test.cc
#ifndef QV_SOCKBITS_H_
#define QV_SOCKBITS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/result.h"

namespace qv {

enum class Received : std::uint8_t {
  answer,   // `answer` and `from` are set
  silence,  // the deadline came first
  refused,  // no process listens there, or the question could not be sent
};

// How query_skt() waits.
enum class Patience : std::uint8_t {
  of_socket,    // the socket's own time limit ends no later than the deadline: one recv suffices
  of_deadline,  // poll until the deadline
};

struct SocketQuery {
  std::string_view question;
  // The caller's test; `from` is the socket that the datagram arrived on.
  bool (*is_answer)(void* context, int from, std::string_view datagram) = nullptr;
  void* context = nullptr;
  // For datagrams.  One that fills it counts as too long, so it must be one byte larger than the
  // longest answer.
  std::span<char> buffer;
  // Sockets that the same question was sent on before, at most kMaxAsked; -1 is ignored.
  std::span<const int> asked;

  std::string_view answer;  // in `buffer`
  int from = -1;            // the socket it came from
  int error = 0;            // errno of a refusal, or 0
};

inline constexpr std::size_t kMaxAsked = 16;

// Sends the question on `fd` and waits for an answer from `fd` or an asked socket, until
// `deadline_us` (core/clock.h).  In the normal case of_socket costs one send and one recv.
//   answer   it arrived in time.
//   silence  it did not.
//   refused  the question cannot be delivered on `fd` (ECONNREFUSED and every other error).
//   Returned
//            at once, so that another server can be asked; says nothing about the other sockets.
// An error of an earlier question that the socket reports only now does not count.
// REQUIRES: `fd` is a connected datagram socket.
[[nodiscard]] Received query_skt(SocketQuery& query, int fd, std::int64_t deadline_us,
                                 Patience patience);

// Waits for an answer from the asked sockets alone: answer or silence.
[[nodiscard]] Received wait_skt(SocketQuery& query, std::int64_t deadline_us);

// Sets the socket's own time limit for receiving (SO_RCVTIMEO).
[[nodiscard]] Result<void> set_receive_timeout(int fd, std::int64_t limit_us);

}  // namespace qv

#endif  // QV_SOCKBITS_H_
