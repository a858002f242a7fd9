// SPDX-License-Identifier: 0BSD
// probe/callout.h - one SMTP or LMTP conversation that asks about recipients: a state machine.
//
// No I/O and no clock: a driver tells it what happened (connected(), received(), secured(),
// lost()) and after each such call does what the machine wants, in this order: send take_output(),
// start TLS if take_tls_request(), hand on take_outcome(), close if finished().  One recipient is
// asked at a time; all within one transaction, which never reaches DATA.
//
//   step     | entered by          | command       | 2xx leads to     | anything else leads to
//   ---------+---------------------+---------------+------------------+------------------------
//   connect  | the beginning       |               | greeting         |
//   greeting | connected()         |               | hello            | end (host_refused)
//   hello    | greeting, tls       | EHLO, LHLO    | starttls, ready  | 5xx: helo, else end
//   helo     | hello refused       | HELO          | ready            | end (host_refused)
//   starttls | hello, TLS offered  | STARTTLS      | tls              | ready; end if must
//   tls      | starttls            |               | hello            | end (tls_failed)
//   ready    | hello, rcpt         |               |                  | 421: end
//   mail     | ask(), no sender yet| MAIL FROM     | rcpt             | end (sender_refused 5xx,
//            |                     |               |                  | host_refused 4xx)
//   rcpt     | mail, ask()         | RCPT TO       | ready + outcome  | ready + outcome; 421: end
//   reset    | ask(), other kind of| RSET          | mail             | end (broken)
//            | sender needed       |               |                  |
//   quit     | leave()             | QUIT          | end              | end
//   end      | everything above    |               |                  |
//
// Invariants: a command is sent only when the reply to the one before has come.  Bytes that stand
// behind a reply were sent before our next command and cannot answer it: the conversation ends and
// nothing of it is believed, but for a 421 that says so itself.  Between STARTTLS and the end of
// the handshake such bytes would be words of somebody in between.
//
// Tests: tests/probe/callout_test.cc, tests/probe/classify_test.cc
#ifndef QV_PROBE_CALLOUT_H_
#define QV_PROBE_CALLOUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cache/record.h"
#include "wire/smtp_reply.h"

namespace qv {

// What the outcome is about.  Only `recipient` says anything about the address; of the others
// those that speak about the host are remembered against it.
enum class ProbeReason : std::uint8_t {
  recipient,       // the reply to RCPT
  not_askable,     // no SMTP command can carry the address, or not to this host
  sender_refused,  // the host does not take our sender: remembered per host
  host_refused,    // greeting, HELO or MAIL got a refusal that is not about the sender
  unreachable,     // no connection
  timed_out,       // the time limit of a step or of the whole
  tls_failed,      // the handshake failed
  broken,          // the connection ended, or the host talks nonsense
  backing_off,     // the host has failed lately and is left alone
  busy,            // a limit of ours: pending probes, rate of the domain
  no_route,        // no next hop could be found for the domain
};

// Whom an outcome is held against.
enum class Blame : std::uint8_t { nobody, host, sender, tls };

struct ReasonTraits {
  std::string_view why;  // for whoever asked
  Blame blame;
  bool down;  // the host could not be asked
  bool said;  // the text of the outcome is the host's own
};
[[nodiscard]] const ReasonTraits& traits_of(ProbeReason reason);

struct ProbeOutcome {
  RecipientStatus status = RecipientStatus::defer;  // never todo
  ProbeReason reason = ProbeReason::broken;
  std::string text;  // printable: what the host said or what happened

  friend bool operator==(const ProbeOutcome&, const ProbeOutcome&) = default;
};

// What a reply to RCPT says about the recipient:
//
//   reply                                                            | status
//   -----------------------------------------------------------------+--------
//   250, 251, 252                                                    | ok
//   5xx with 5.1.1, 5.1.3, 5.1.6, 5.1.10 or 5.2.1                    | bounce
//   550, 551, 553 without enhanced code, or with 5.0.0 or 5.1.0,     | bounce
//     which say no more than the code does                           |
//   other 5xx: policy (5.7.x), full mailbox (5.2.2), syntax, ...     | defer
//   5xx with an enhanced code of another class: it contradicts itself| defer
//   4xx, 3xx, other 2xx                                              | defer
//
// Only what says that the address does not exist may become a permanent refusal.
[[nodiscard]] RecipientStatus classify_rcpt(const SmtpReply& reply);

enum class TlsUse : std::uint8_t {
  never,
  may,   // where it is offered; in the clear otherwise
  must,  // no recipient is named in the clear
};

struct CalloutOptions {
  std::string hello_name;  // for EHLO, HELO and LHLO
  std::string sender;      // MAIL FROM, unquoted; empty: <>
  bool lmtp = false;
  TlsUse tls = TlsUse::may;
};

class Callout {
 public:
  enum class Step : std::uint8_t {
    connect,
    greeting,
    hello,
    helo,
    starttls,
    tls,
    ready,
    mail,
    rcpt,
    reset,
    quit,
    end,
  };

  explicit Callout(CalloutOptions options) : options_(std::move(options)) {}

  // ---- what happened
  void connected();
  void received(std::string_view bytes);
  void secured();  // the TLS handshake is done.  REQUIRES: step() == tls
  // The connection ended or is given up: `reason` and `text` become the outcome of what is asked.
  void lost(ProbeReason reason, std::string_view text);

  // ---- what is wanted of it
  // Asks about `address` as soon as it can.  REQUIRES: can_ask().
  void ask(std::string_view address);
  // True while nothing is being asked and the conversation may still come to a recipient.
  [[nodiscard]] bool can_ask() const;
  // Says QUIT when nothing is being asked (else ends at once).
  void leave();

  // ---- what it wants
  [[nodiscard]] std::string take_output() { return std::exchange(output_, {}); }
  [[nodiscard]] bool take_tls_request() { return std::exchange(wants_tls_, false); }
  [[nodiscard]] std::optional<ProbeOutcome> take_outcome() { return std::exchange(outcome_, {}); }
  [[nodiscard]] bool finished() const { return step_ == Step::end; }

  [[nodiscard]] Step step() const { return step_; }
  // Grows with each step: who limits the time of a step looks whether it has changed.
  [[nodiscard]] unsigned steps() const { return steps_; }
  // Number of recipients answered.
  [[nodiscard]] unsigned asked() const { return asked_; }
  // How it ended: `recipient` where no complaint about the host is to be made.
  [[nodiscard]] const ProbeOutcome& ending() const { return ending_; }

 private:
  void enter(Step step, std::string_view command = {});
  void say_hello(Step step);
  void on_reply(const SmtpReply& reply);
  void on_greeting(const SmtpReply& reply);
  void on_hello(const SmtpReply& reply);
  void on_starttls(const SmtpReply& reply);
  void on_mail(const SmtpReply& reply);
  void on_rcpt(const SmtpReply& reply);
  void be_ready();
  void begin_asking();
  void send_mail();
  void send_rcpt();
  void finish(ProbeReason reason, std::string text);
  void settle(RecipientStatus status, ProbeReason reason, std::string_view text);

  CalloutOptions options_;
  Step step_ = Step::connect;
  unsigned steps_ = 0;
  unsigned asked_ = 0;
  bool secure_ = false;
  bool offers_smtputf8_ = false;
  bool in_transaction_ = false;
  bool transaction_utf8_ = false;
  bool wants_tls_ = false;
  std::string pending_;  // the address being asked about; empty: none
  SmtpReplyDecoder decoder_;
  std::string output_;
  std::optional<ProbeOutcome> outcome_;
  ProbeOutcome ending_{RecipientStatus::defer, ProbeReason::recipient, {}};
};

// "greeting", "RCPT", ...: for texts and logs.
[[nodiscard]] std::string_view step_name(Callout::Step step);

}  // namespace qv

#endif  // QV_PROBE_CALLOUT_H_
