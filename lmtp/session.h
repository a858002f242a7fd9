// SPDX-License-Identifier: 0BSD
// lmtp/session.h - one client of the LMTP service: the protocol of wire/lmtp.h on a stream.
//
//   the protocol says   the session                          and goes on when
//   recipient           looks it up; where the mailbox has   the answer is there: accepts or
//                       a limit, asks whether there is room  refuses the recipient
//   begin               makes a spool for the message        at once
//   body                appends the piece to it              at once
//   end                 dispatches the message               all recipients have their replies
//   dropped             discards the message                 at once
//   closed              closes the stream
//
// While it waits its stream is paused: the client's further bytes stay where they are.  Between
// messages a session keeps nothing.
//
// Threads: none; one Loop.  Tests: tests/lmtp/session_test.cc
#ifndef QV_LMTP_SESSION_H_
#define QV_LMTP_SESSION_H_

#include <memory>
#include <vector>

#include "deliver/spool.h"
#include "event/stream_server.h"
#include "lmtp/dispatch.h"
#include "lmtp/service.h"
#include "wire/lmtp.h"

namespace qv::lmtp {

class ClientSession final : public StreamSession {
 public:
  // Queues the greeting.  REQUIRES: `service` and `stream` outlive the session.
  ClientSession(Service& service, Stream& stream);
  ~ClientSession() override;

  std::size_t on_input(Stream& stream, std::string_view input) override;
  [[nodiscard]] std::string_view last_words(StreamEnd why) const override;
  [[nodiscard]] bool is_busy() const override { return spool_ || dispatch_ || ticket_ != 0; }

  // The service stops: closes with 421, unless a message is under way, which is ended first.
  void say_goodbye();

 private:
  void answer(Event event);
  void find_recipient();
  void find_room(Mailbox mailbox);
  void answer_recipient(const Outcome& outcome, Mailbox mailbox);
  void begin_message();
  void end_message();
  void report(const Outcome& outcome, bool is_last);
  void resume();

  Service& service_;
  Stream& stream_;
  lmtp::Session protocol_;
  Deliveries::Ticket ticket_ = 0;   // of the question that is asked about a recipient
  std::vector<Mailbox> mailboxes_;  // one for each recipient of the protocol
  std::unique_ptr<Spool> spool_;    // of the message that is coming
  std::shared_ptr<Dispatch> dispatch_;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_SESSION_H_
