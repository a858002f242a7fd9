// SPDX-License-Identifier: 0BSD
// sockbits.h - one question, one answer, one deadline on a datagram socket.
//
// A question is sent on a connected socket; every datagram that comes back is shown to the
// caller's test, and the first that passes is the answer.  What does not pass (forged, late, not
// ours) is dropped and the waiting goes on: nothing that arrives can lengthen or end it.  A
// question that went to other sockets before can be answered by any of them.
//
// Threads: none, no state.  Blocking: until the deadline, never longer.  Signals: EINTR is taken
// care of.  Allocates nothing; links without the C++ runtime.
// Tests: tests/sockbits_test.cc
#ifndef QV_SOCKBITS_H_
#define QV_SOCKBITS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/result.h"

namespace qv {

enum class Heard : std::uint8_t {
  answer,   // `answer` and `from` are set
  silence,  // the deadline came first
  refused,  // nobody is there to hear the question, or it could not be sent
};

// How query_skt() may wait.
enum class Patience : std::uint8_t {
  of_socket,    // the socket's own time limit ends no later than the deadline: one recv will do
  of_deadline,  // poll with what is left of the time
};

struct SocketQuery {
  std::string_view question;
  // Is this datagram, which arrived on the socket `from`, the answer?  Called for each that
  // arrives.
  bool (*is_answer)(void* context, int from, std::string_view datagram) = nullptr;
  void* context = nullptr;
  // Where datagrams are read to.  One that fills it is too long to be an answer, so it is to be one
  // byte larger than the longest answer.
  std::span<char> buffer;
  // Sockets that the same question was sent on before, kMaxAsked at most; -1 is passed over.
  std::span<const int> asked;

  std::string_view answer;  // in `buffer`
  int from = -1;            // the socket it came from
  int error = 0;            // of a refusal: its errno, 0 where there is none
};

inline constexpr std::size_t kMaxAsked = 16;

// Sends the question on `fd` and waits for an answer from `fd` or an asked socket, until
// `deadline_us` (core/clock.h).  Where all goes well, of_socket costs one send and one recv.
//   answer   it came in time.
//   silence  it did not.
//   refused  the question cannot be delivered on `fd` (ECONNREFUSED and every other error of it):
//            said at once, so that somebody else can be asked; not a word about the other sockets.
// A refusal of an earlier question that the socket only now reports does not count.
// REQUIRES: `fd` is a connected datagram socket.
[[nodiscard]] Heard query_skt(SocketQuery& query, int fd, std::int64_t deadline_us,
                              Patience patience);

// Waits for an answer from the asked sockets alone: answer or silence.
[[nodiscard]] Heard wait_skt(SocketQuery& query, std::int64_t deadline_us);

// Sets the socket's own time limit for receiving (SO_RCVTIMEO).
[[nodiscard]] Result<void> set_patience(int fd, std::int64_t limit_us);

}  // namespace qv

#endif  // QV_SOCKBITS_H_
