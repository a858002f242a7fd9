// SPDX-License-Identifier: 0BSD
// verifyask.h - one recipient, asked of the servers of a VERIFY value.
//
// The time for one question is cut into slots of equal length, as many as there are tries, or
// servers if those are more.  Each slot sends the question, with the same id, to the next server in
// turn, beginning with the one that answered last; an answer from any server asked so far counts.
// A server that refuses (nobody listens there) is passed over at once for the next one; where all
// refuse, the slot is waited out and the question sent again, so that a daemon that is being
// restarted does not become a failure.
//
// Sockets are opened when first needed and kept; a Unix socket whose server was replaced is
// connected anew.  In the normal case a question costs one send, one recv and one getrandom.
//
// Threads: none.  Blocking: up to the value's timeout, never longer.  Signals: EINTR is taken care
// of.  Allocates nothing; links without the C++ runtime.
// Manual: verifyrcpt(3).  Tests: tests/verifyrcpt_test.cc
#ifndef QV_VERIFYASK_H_
#define QV_VERIFYASK_H_

#include <array>
#include <cstdint>

#include "verifyvalue.h"
#include "wire/datagram.h"

namespace qv {

// One socket per server of the value, and whose turn it is.  Plain data: it lives in memory that
// its C caller owns, so it is opened and closed by name.
struct ServerSockets {
  std::array<int, kMaxServers> fd;  // -1: not open
  std::size_t turn;                 // the server to be asked first
};

void start_sockets(ServerSockets& sockets);
void close_sockets(ServerSockets& sockets);

enum class Asked : std::uint8_t {
  answered,     // `reply` is the answer
  timeout,      // somebody was asked and nobody answered in time
  unreachable,  // nobody could be asked
  no_question,  // the address is too long or holds a NUL; or the system has no random bytes
};

// What came of a question.  The views of `reply` point into `buffer`.
struct Inquiry {
  datagram::Reply reply;
  std::size_t server = 0;  // that answered, or was asked last
  std::array<char, datagram::kMaxDatagram + 1> buffer;
};

// Asks about query.address; query.id is set here, fresh for every call.
[[nodiscard]] Asked ask_servers(const VerifyValue& value, ServerSockets& sockets,
                                datagram::Query query, Inquiry& inquiry);

}  // namespace qv

#endif  // QV_VERIFYASK_H_
