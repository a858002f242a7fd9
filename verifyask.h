// SPDX-License-Identifier: 0BSD
// verifyask.h - asks the servers of a VERIFY value about one recipient.
//
// The time for one question is divided into equal slots, one per try, or one per server where there
// are more servers.  Each slot sends the question, with the same id, to the next server in turn,
// beginning with the one that answered last; an answer from any server asked so far counts.  When a
// server refuses (no process listens), the next one is asked at once.  When all refuse, the
// question is sent again in the next slot, so that a restart of the daemon is no failure.  Fail
// fast, for interactive programs, does not wait once no server can answer any more.
//
// A reply without an id that the value does not allow is no answer.  It is recorded for the
// operator, because its likely sender is an old daemon.
//
// Sockets are opened on first use and stay open; a Unix socket whose server was replaced is
// connected again.  In the normal case a question costs one send, one recv and one getrandom.
//
// Threads: none.  Blocking: up to the value's timeout.  Signals: EINTR is handled.  Allocates
// nothing; links without the C++ runtime.
// Manual: verifyrcpt(3).  Tests: tests/verifyrcpt_test.cc
#ifndef QV_VERIFYASK_H_
#define QV_VERIFYASK_H_

#include <array>
#include <cstdint>

#include "verifyvalue.h"
#include "wire/datagram.h"

namespace qv {

// One socket per server of the value.  Plain data in memory of the C caller, so it has no
// constructor and no destructor.
struct ServerSockets {
  std::array<int, kMaxServers> fd;  // -1: not open
  std::size_t turn;                 // the server to be asked first
};

void start_sockets(ServerSockets& sockets);
void close_sockets(ServerSockets& sockets);

enum class Asked : std::uint8_t {
  answered,     // `reply` is the answer
  timeout,      // no server answered in time
  legacy,       // the same, and a server sent a legacy reply, which the value does not allow
  unreachable,  // every server refused the question
  no_question,  // the address is too long or contains a NUL; or the system has no random bytes
};

enum class Pace : std::uint8_t {
  whole_time,  // ask again until the value's time is up
  fail_fast,   // give up once every server has refused or sent a legacy reply that is not allowed
};

// The state of a server that did not answer a question.
struct ServerState {
  enum class Kind : std::uint8_t {
    not_asked,
    silent,
    refused,  // no process listens there, or it cannot be reached: `error`
    legacy,   // sent a legacy reply and none of the extended form
  };
  Kind kind;
  int error;  // errno, or 0
};
using ServerStates = std::array<ServerState, kMaxServers>;

// The result of a question.  The views of `reply` point into `buffer`.
struct Inquiry {
  wire::datagram::Reply reply;
  std::size_t server = 0;  // the one that answered, else sent a legacy reply, or was asked last
  ServerStates states{};   // of each server of the value, where none answered
  std::array<char, wire::datagram::kMaxDatagram + 1> buffer;
};

// Asks about query.address, with a new id.
[[nodiscard]] Asked ask_servers(const VerifyValue& value, ServerSockets& sockets,
                                wire::datagram::Query query, Pace pace, Inquiry& inquiry);

}  // namespace qv

#endif  // QV_VERIFYASK_H_
