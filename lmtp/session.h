// SPDX-License-Identifier: 0BSD
// lmtp/session.h - one client of the LMTP service: the protocol of wire/lmtp.h on a stream.
//
//   event of wire/lmtp  the session                          and continues
//   recipient           looks it up; where the mailbox has   with the answer: accepts or refuses
//                       a limit, asks whether there is room  the recipient
//   begin               makes a spool for the message        at once
//   body                appends the piece to it              at once
//   end                 dispatches the message               after the replies for all recipients
//   dropped             discards the message                 at once
//   closed              closes the stream
//
// While it waits its stream is paused, and further input stays unread.  Between messages a session
// holds no memory for one.
//
// Threads: none; one Loop.  Tests: tests/lmtp/session_test.cc
#ifndef QV_LMTP_SESSION_H_
#define QV_LMTP_SESSION_H_

#include <memory>
#include <vector>

#include "deliver/spool.h"
#include "event/stream_server.h"
#include "lmtp/service.h"
#include "wire/lmtp.h"

namespace qv::lmtp {

class Dispatch;

class ClientSession final : public event::StreamSession {
 public:
  // Queues the greeting.  REQUIRES: `service` and `stream` outlive the session.
  ClientSession(Service& service, event::Stream& stream);
  ~ClientSession() override;

  std::size_t on_input(event::Stream& stream, std::string_view input) override;
  [[nodiscard]] std::string_view last_words(event::StreamEnd why) const override;
  [[nodiscard]] bool is_busy() const override { return spool_ || dispatch_ || ticket_ != 0; }

  // The service stops: closes with 421, after the message that is under way.
  void shut_down();

 private:
  template <class Append>
  void write(Append append);
  void answer(wire::lmtp::Event event);
  void find_recipient();
  void find_room(deliver::Mailbox mailbox);
  void answer_recipient(const deliver::Outcome& outcome, deliver::Mailbox mailbox);
  void begin_message();
  void end_message();
  void report(const deliver::Outcome& outcome, bool is_last);
  void resume();

  Service& service_;
  event::Stream& stream_;
  wire::lmtp::Session protocol_;
  Deliveries::Ticket ticket_ = 0;            // of the lookup under way
  std::vector<deliver::Mailbox> mailboxes_;  // one for each accepted recipient
  std::unique_ptr<deliver::Spool> spool_;    // of the message that is arriving
  std::shared_ptr<Dispatch> dispatch_;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_SESSION_H_
