// SPDX-License-Identifier: 0BSD
#include "probe/callout.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "core/check.h"
#include "core/text.h"
#include "wire/smtp_address.h"

namespace qv::probe {

namespace {

constexpr wire::EnhancedCode kNoSuchAddress[] = {
    {5, 1, 1}, {5, 1, 3}, {5, 1, 6}, {5, 1, 10}, {5, 2, 1}};
constexpr wire::EnhancedCode kUnspecific[] = {{5, 0, 0}, {5, 1, 0}};

bool is_one_of(std::span<const wire::EnhancedCode> codes, const wire::EnhancedCode& code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// A keyword begins its line, in any case (RFC 5321 section 4.1.1.1).
bool offers(const wire::SmtpReply& reply, std::string_view keyword) {
  return std::any_of(reply.lines.begin(), reply.lines.end(), [&](std::string_view line) {
    return equal_ignoring_case(take_until(line, ' '), keyword);
  });
}

}  // namespace

cache::RecipientStatus classify_rcpt(const wire::SmtpReply& reply) {
  if (reply.code >= 250 && reply.code <= 252) return cache::RecipientStatus::ok;
  if (reply.of_class() != 5) return cache::RecipientStatus::defer;
  if (reply.enhanced && !is_one_of(kUnspecific, *reply.enhanced)) {
    return is_one_of(kNoSuchAddress, *reply.enhanced) ? cache::RecipientStatus::bounce
                                                      : cache::RecipientStatus::defer;
  }
  const bool no_mailbox = reply.code == 550 || reply.code == 551 || reply.code == 553;
  return no_mailbox ? cache::RecipientStatus::bounce : cache::RecipientStatus::defer;
}

const ReasonTraits& traits_of(ProbeReason reason) {
  static constexpr ReasonTraits kTraits[] = {
      {"probe", Blame::nobody, false, true},           // recipient
      {"syntax", Blame::nobody, false, false},         // not_askable
      {"sender-refused", Blame::sender, false, true},  // sender_refused
      {"unreachable", Blame::host, true, true},        // host_refused
      {"unreachable", Blame::host, true, false},       // unreachable
      {"unreachable", Blame::host, true, false},       // timed_out
      {"unreachable", Blame::tls, true, false},        // tls_failed
      {"unreachable", Blame::host, true, false},       // broken
      {"unreachable", Blame::nobody, true, false},     // backing_off
      {"busy", Blame::nobody, false, false},           // busy
      {"unreachable", Blame::nobody, false, false},    // no_route
  };
  static_assert(std::size(kTraits) == static_cast<std::size_t>(ProbeReason::no_route) + 1);
  return kTraits[static_cast<std::size_t>(reason)];
}

std::string_view step_name(Callout::Step step) {
  static constexpr std::string_view kNames[] = {"connect",  "greeting",      "EHLO", "HELO",
                                                "STARTTLS", "TLS handshake", "idle", "MAIL FROM",
                                                "RCPT TO",  "RSET",          "QUIT", "end"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Callout::Step::end) + 1);
  return kNames[static_cast<std::size_t>(step)];
}

void Callout::enter(Step step, std::string_view command) {
  step_ = step;
  ++steps_;
  if (command.empty()) return;
  output_ += command;
  output_ += "\r\n";
}

void Callout::connected() {
  QV_CHECK(step_ == Step::connect);
  enter(Step::greeting);
}

void Callout::say_hello(Step step) {
  const std::string_view verb = options_.lmtp ? "LHLO " : step == Step::hello ? "EHLO " : "HELO ";
  enter(step, std::string(verb) + options_.hello_name);
}

void Callout::received(std::string_view bytes) {
  if (step_ == Step::end) return;
  if (step_ == Step::connect || step_ == Step::tls) {
    return finish(ProbeReason::broken, "bytes out of turn");
  }
  const wire::Frame frame = decoder_.take(bytes);
  if (frame == wire::Frame::partial) return;
  if (frame == wire::Frame::malformed) return finish(ProbeReason::broken, "not an SMTP reply");
  const bool surplus = !bytes.empty();
  if (surplus && !starts_with(bytes, "421")) {
    return finish(ProbeReason::broken, "more than one reply to a command");
  }
  on_reply(decoder_.reply());
  // A 421 behind the reply is no failure if no question is open.
  if (surplus && step_ != Step::end) {
    finish(pending_.empty() ? ProbeReason::recipient : ProbeReason::broken, "closed by the host");
  }
}

void Callout::on_reply(const wire::SmtpReply& reply) {
  switch (step_) {
    case Step::greeting:
      if (reply.code == 220) return say_hello(Step::hello);
      return finish(ProbeReason::host_refused, wire::reply_text(reply));
    case Step::hello:
    case Step::helo:
      return on_hello(reply);
    case Step::starttls:
      return on_starttls(reply);
    case Step::mail:
      if (reply.of_class() == 5)
        return finish(ProbeReason::sender_refused, wire::reply_text(reply));
      if (reply.of_class() != 2) return finish(ProbeReason::host_refused, wire::reply_text(reply));
      in_transaction_ = true;
      return send_rcpt();
    case Step::rcpt:
      if (reply.code == 421) return finish(ProbeReason::host_refused, wire::reply_text(reply));
      settle(classify_rcpt(reply), ProbeReason::recipient, wire::reply_text(reply));
      return enter(Step::ready);
    case Step::reset:
      if (reply.of_class() != 2) return finish(ProbeReason::broken, wire::reply_text(reply));
      in_transaction_ = false;
      return send_mail();
    case Step::ready:
      if (reply.code != 421) return finish(ProbeReason::broken, "a reply to no command");
      return finish(ProbeReason::recipient, {});
    case Step::quit:
      return finish(ProbeReason::recipient, {});
    case Step::connect:
    case Step::tls:
    case Step::end:
      break;
  }
  QV_CHECK(false);
}

void Callout::on_hello(const wire::SmtpReply& reply) {
  const bool may_fall_back = step_ == Step::hello && !options_.lmtp && !secure_;
  if (reply.of_class() == 5 && may_fall_back) return say_hello(Step::helo);
  if (reply.code != 250) return finish(ProbeReason::host_refused, wire::reply_text(reply));
  offers_smtputf8_ = step_ == Step::hello && offers(reply, "SMTPUTF8");
  if (secure_ || options_.tls == TlsUse::never) return be_ready();
  const bool offered = step_ == Step::hello && offers(reply, "STARTTLS");
  if (offered) return enter(Step::starttls, "STARTTLS");
  if (options_.tls == TlsUse::must) return finish(ProbeReason::tls_failed, "TLS is not offered");
  be_ready();
}

void Callout::on_starttls(const wire::SmtpReply& reply) {
  if (reply.code == 220) {
    enter(Step::tls);
    wants_tls_ = true;
    return;
  }
  if (reply.code == 421) return finish(ProbeReason::host_refused, wire::reply_text(reply));
  if (options_.tls == TlsUse::must) return finish(ProbeReason::tls_failed, wire::reply_text(reply));
  be_ready();
}

void Callout::secured() {
  QV_CHECK(step_ == Step::tls);
  secure_ = true;
  // RFC 3207 section 4.2: discard what was learnt in the clear.
  decoder_ = {};
  offers_smtputf8_ = false;
  say_hello(Step::hello);
}

void Callout::be_ready() {
  enter(Step::ready);
  if (!pending_.empty()) begin_asking();
}

bool Callout::can_ask() const {
  return pending_.empty() && !outcome_ && step_ != Step::quit && step_ != Step::end;
}

void Callout::ask(std::string_view address) {
  QV_CHECK(can_ask() && !address.empty());
  pending_ = address;
  if (step_ == Step::ready) begin_asking();
}

void Callout::begin_asking() {
  if (!wire::smtp_mailbox(pending_)) {
    return settle(cache::RecipientStatus::defer, ProbeReason::not_askable,
                  "the address cannot be put into an SMTP command");
  }
  const bool utf8 = wire::needs_smtputf8(pending_);
  if (utf8 && !offers_smtputf8_) {
    return settle(cache::RecipientStatus::defer, ProbeReason::not_askable,
                  "the host does not offer SMTPUTF8");
  }
  if (!in_transaction_) return send_mail();
  if (utf8 != transaction_utf8_) return enter(Step::reset, "RSET");
  send_rcpt();
}

void Callout::send_mail() {
  transaction_utf8_ = wire::needs_smtputf8(pending_);
  std::string command = "MAIL FROM:<";
  if (!options_.sender.empty()) command += wire::smtp_mailbox(options_.sender).value_or("");
  command += '>';
  if (transaction_utf8_) command += " SMTPUTF8";
  enter(Step::mail, command);
}

void Callout::send_rcpt() {
  enter(Step::rcpt, "RCPT TO:<" + wire::smtp_mailbox(pending_).value_or("") + ">");
}

void Callout::settle(cache::RecipientStatus status, ProbeReason reason, std::string_view text) {
  pending_.clear();
  ++asked_;
  outcome_ = ProbeOutcome{status, reason, cache::safe_text(text)};
}

void Callout::leave() {
  if (step_ == Step::end || step_ == Step::quit) return;
  if (step_ == Step::ready && pending_.empty()) return enter(Step::quit, "QUIT");
  finish(ProbeReason::broken, "given up");
}

void Callout::lost(ProbeReason reason, std::string_view text) {
  if (step_ == Step::end) return;
  // A host may close an idle connection, and nobody waits for the reply to QUIT.
  const bool harmless = step_ == Step::ready || step_ == Step::quit;
  finish(harmless ? ProbeReason::recipient : reason, std::string(text));
}

void Callout::finish(ProbeReason reason, std::string text) {
  text = cache::safe_text(text);
  if (!pending_.empty()) settle(cache::RecipientStatus::defer, reason, text);
  ending_ = {cache::RecipientStatus::defer, reason, std::move(text)};
  enter(Step::end);
}

}  // namespace qv::probe
