// SPDX-License-Identifier: 0BSD
// tests/fakes/lmtp_script.h - a user of lmtp::Session that writes down what happens.
//
// Refuses recipients and messages whose address begins with "no"; takes everything else.
#ifndef QV_TESTS_FAKES_LMTP_SCRIPT_H_
#define QV_TESTS_FAKES_LMTP_SCRIPT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "core/text.h"
#include "wire/lmtp.h"

namespace qv {

class LmtpScript {
 public:
  explicit LmtpScript(const wire::lmtp::Limits& limits) : session_("host", limits) {}

  // Gives the session the bytes in pieces of `piece` bytes.
  void feed(std::string_view bytes, std::size_t piece);

  std::string replies;   // all that went to the client
  std::string messages;  // each message: "sender>recipient,...:body|"; one that was dropped "#"
  bool closed = false;

 private:
  void feed_piece(std::string_view bytes);
  void finish();
  wire::lmtp::Session session_;
  std::string body_;
};

inline void LmtpScript::feed(std::string_view bytes, std::size_t piece) {
  while (!bytes.empty() && !closed) {
    feed_piece(first_bytes(bytes, piece));
    bytes = after_bytes(bytes, piece);
  }
}

inline void LmtpScript::finish() {
  messages += session_.sender() + ">";
  for (const std::string& recipient : session_.recipients()) messages += recipient + ",";
  messages += ":" + body_ + "|";
  for (std::size_t left = session_.recipients().size(); left > 0; --left) {
    session_.reply({250, "2.0.0", "done"}, replies);
  }
}

inline void LmtpScript::feed_piece(std::string_view bytes) {
  for (;;) {
    switch (session_.next(bytes, replies)) {
      case wire::lmtp::Event::more:
        return;
      case wire::lmtp::Event::recipient:
        if (starts_with(session_.recipient(), "no")) {
          session_.refuse_recipient({550, "5.1.1", "no such user"}, replies);
        } else {
          session_.accept_recipient(replies);
        }
        break;
      case wire::lmtp::Event::begin:
        body_.clear();
        if (starts_with(session_.sender(), "no")) {
          session_.refuse_message({451, "4.3.0", "not now"}, replies);
        } else {
          session_.accept_message(replies);
        }
        break;
      case wire::lmtp::Event::body:
        body_ += session_.body();
        break;
      case wire::lmtp::Event::end:
        finish();
        break;
      case wire::lmtp::Event::dropped:
        messages += "#";
        break;
      case wire::lmtp::Event::closed:
        closed = true;
        return;
    }
  }
}

}  // namespace qv

#endif  // QV_TESTS_FAKES_LMTP_SCRIPT_H_
