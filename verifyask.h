// SPDX-License-Identifier: 0BSD
// verifyask.h - one recipient, asked of the servers of a VERIFY value.
//
// The time for one question is cut into slots of equal length, as many as there are tries, or
// servers if those are more.  Each slot sends the question, with the same id, to the next server in
// turn, beginning with the one that answered last; an answer from any server asked so far counts.
// A server that refuses (nobody listens there) is passed over at once for the next one; where all
// refuse, the slot is waited out and the question sent again, so that a daemon that is being
// restarted does not become a failure.  Fail fast is for people who wait: where no server of a slot
// may still answer, nothing is waited for.
//
// A reply without an id that the value does not take is no answer, whoever sent it.  It is
// remembered, because an old daemon is the likely sender: the operator can then be told.
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
  legacy,       // the same, and a server sent a legacy reply, which the value does not take
  unreachable,  // nobody could be asked
  no_question,  // the address is too long or holds a NUL; or the system has no random bytes
};

enum class Pace : std::uint8_t {
  whole_time,  // ask again until the value's time is up
  fail_fast,   // give up as soon as every server has refused, or sent a legacy reply that is not
               // taken
};

// What became of a question at a server that did not answer it.
struct ServerState {
  enum class Kind : std::uint8_t {
    not_asked,
    silent,
    refused,  // nobody listens there, or it cannot be reached: `error`
    legacy,   // sent a legacy reply and nothing of the extended form
  };
  Kind kind;
  int error;  // errno, or 0
};
using ServerStates = std::array<ServerState, kMaxServers>;

// What came of a question.  The views of `reply` point into `buffer`.
struct Inquiry {
  datagram::Reply reply;
  std::size_t server = 0;  // that answered; else that sent a legacy reply, or was asked last
  ServerStates states{};   // of each server of the value, where none answered
  std::array<char, datagram::kMaxDatagram + 1> buffer;
};

// Asks about query.address; query.id is set here, fresh for every call.
[[nodiscard]] Asked ask_servers(const VerifyValue& value, ServerSockets& sockets,
                                datagram::Query query, Pace pace, Inquiry& inquiry);

}  // namespace qv

#endif  // QV_VERIFYASK_H_
