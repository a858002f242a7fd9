// SPDX-License-Identifier: 0BSD
// probe/callout.h - one SMTP or LMTP conversation that asks about recipients: a state machine.
//
// No I/O and no clock.  A driver reports events with connected(), received(), secured() and
// lost(), and after each call does what the machine wants, in this order: send take_output(), start
// TLS if take_tls_request(), deliver take_outcome(), close if finished().  The machine asks about
// one recipient at a time, all within one transaction, which never reaches DATA.
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
// Invariant: a command is sent only after the reply to the previous one.  Bytes behind a reply were
// sent before our next command and cannot answer it: they end the conversation and are ignored,
// except for a 421, which needs no command.  Between STARTTLS and the end of the handshake such
// bytes could come from an attacker on the path.
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

namespace qv::probe {

// What the outcome is about.  Only `recipient` and `not_askable` are about the address.
enum class ProbeReason : std::uint8_t {
  recipient,       // the reply to RCPT
  not_askable,     // no SMTP command can carry the address, or not to this host
  sender_refused,  // the host refuses our sender
  host_refused,    // greeting, HELO or MAIL was refused for another reason
  unreachable,     // no connection
  timed_out,       // the time limit of a step or of the whole
  tls_failed,      // the handshake failed
  broken,          // the connection ended, or the host violates the protocol
  backing_off,     // the host has failed lately, so we do not ask it
  busy,            // a limit of ours: pending probes, rate of the domain
  no_route,        // the domain has no next hop
};

// What the failure counts against.
enum class Blame : std::uint8_t { nobody, host, sender, tls };

struct ReasonTraits {
  std::string_view why;  // for the client of the protocol
  Blame blame;
  bool down;  // the host could not be asked
  bool said;  // the text of the outcome is the host's own
};
[[nodiscard]] const ReasonTraits& traits_of(ProbeReason reason);

struct ProbeOutcome {
  cache::RecipientStatus status = cache::RecipientStatus::defer;  // never todo
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
// Only a statement that the address does not exist may become a permanent refusal.
[[nodiscard]] cache::RecipientStatus classify_rcpt(const wire::SmtpReply& reply);

enum class TlsUse : std::uint8_t {
  never,
  may,   // if the host offers it, else in the clear
  must,  // never names a recipient in the clear
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

  // ---- events
  void connected();
  void received(std::string_view bytes);
  void secured();  // the TLS handshake succeeded.  REQUIRES: step() == tls
  // The connection ended or is given up: `reason` and `text` become the outcome of the question.
  void lost(ProbeReason reason, std::string_view text);

  // ---- requests
  // Asks about `address` as soon as possible.  REQUIRES: can_ask().
  void ask(std::string_view address);
  // True while no question is open and the conversation may still reach RCPT.
  [[nodiscard]] bool can_ask() const;
  // Sends QUIT if no question is open, else ends at once.
  void leave();

  // ---- what it wants
  [[nodiscard]] std::string take_output() { return std::exchange(output_, {}); }
  [[nodiscard]] bool take_tls_request() { return std::exchange(wants_tls_, false); }
  [[nodiscard]] std::optional<ProbeOutcome> take_outcome() { return std::exchange(outcome_, {}); }
  [[nodiscard]] bool finished() const { return step_ == Step::end; }

  [[nodiscard]] Step step() const { return step_; }
  // Grows with each step, for time limits.
  [[nodiscard]] unsigned steps() const { return steps_; }
  // Number of outcomes.
  [[nodiscard]] unsigned asked() const { return asked_; }
  // How it ended; `recipient`: without a failure of the host.
  [[nodiscard]] const ProbeOutcome& ending() const { return ending_; }

 private:
  void enter(Step step, std::string_view command = {});
  void say_hello(Step step);
  void on_reply(const wire::SmtpReply& reply);
  void on_hello(const wire::SmtpReply& reply);
  void on_starttls(const wire::SmtpReply& reply);
  void be_ready();
  void begin_asking();
  void send_mail();
  void send_rcpt();
  void finish(ProbeReason reason, std::string text);
  void settle(cache::RecipientStatus status, ProbeReason reason, std::string_view text);

  CalloutOptions options_;
  Step step_ = Step::connect;
  unsigned steps_ = 0;
  unsigned asked_ = 0;
  bool secure_ = false;
  bool offers_smtputf8_ = false;
  bool in_transaction_ = false;
  bool transaction_utf8_ = false;
  bool wants_tls_ = false;
  std::string pending_;  // the address of the open question; empty: none
  wire::SmtpReplyDecoder decoder_;
  std::string output_;
  std::optional<ProbeOutcome> outcome_;
  ProbeOutcome ending_{cache::RecipientStatus::defer, ProbeReason::recipient, {}};
};

// "greeting", "RCPT", ...: for texts and logs.
[[nodiscard]] std::string_view step_name(Callout::Step step);

}  // namespace qv::probe

#endif  // QV_PROBE_CALLOUT_H_
