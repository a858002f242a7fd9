// SPDX-License-Identifier: 0BSD
#include "probe/session.h"

#include <utility>

namespace qv {

using Step = Callout::Step;

ProbeSession::ProbeSession(Loop& loop, Connector& connector, const StreamAddress& address,
                           std::string host, const ProbeLimits& limits, CalloutOptions options,
                           Owner& owner)
    : loop_(loop),
      limits_(limits),
      host_(std::move(host)),
      callout_(std::move(options)),
      owner_(owner),
      connection_(connector.connect(address, *this)) {
  set_timer();
}

bool ProbeSession::can_ask() const {
  return callout_.can_ask() && callout_.asked() < limits_.recipients_per_connection;
}

void ProbeSession::ask(std::string_view address) {
  callout_.ask(address);
  // The outcome of what cannot be asked is there already, and must not come from within this call.
  soon_ = loop_.after(0, [this] { pump(); });
}

void ProbeSession::leave() {
  callout_.leave();
  soon_ = loop_.after(0, [this] { pump(); });
}

void ProbeSession::give_up() {
  callout_.lost(ProbeReason::timed_out, "time limit");
  soon_ = loop_.after(0, [this] { pump(); });
}

void ProbeSession::on_connected() {
  callout_.connected();
  pump();
}

void ProbeSession::on_bytes(std::string_view bytes) {
  callout_.received(bytes);
  pump();
}

void ProbeSession::on_secured() {
  callout_.secured();
  pump();
}

void ProbeSession::on_closed(During during, std::string_view why) {
  const ProbeReason reason = during == During::connect     ? ProbeReason::unreachable
                             : during == During::handshake ? ProbeReason::tls_failed
                                                           : ProbeReason::broken;
  callout_.lost(reason, why);
  pump();
}

void ProbeSession::set_timer() {
  if (timed_step_ == callout_.steps()) return;
  timed_step_ = callout_.steps();
  const Step step = callout_.step();
  const std::int64_t limit_us = step == Step::connect ? limits_.connect_us
                                : step == Step::ready ? limits_.idle_us
                                                      : limits_.step_us;
  timer_ = loop_.after(limit_us, [this] { on_time(); });
}

void ProbeSession::on_time() {
  if (callout_.step() == Step::ready) {
    callout_.leave();
    return pump();
  }
  const bool connecting = callout_.step() == Step::connect;
  const std::string text = connecting ? std::string("no connection within the time limit")
                                      : "no reply to " + std::string(step_name(callout_.step()));
  callout_.lost(connecting ? ProbeReason::unreachable : ProbeReason::timed_out, text);
  pump();
}

void ProbeSession::pump() {
  soon_.reset();
  const std::string output = callout_.take_output();
  if (!callout_.finished()) {
    if (!output.empty()) connection_->send(output);
    if (callout_.take_tls_request()) connection_->start_tls(host_);
    set_timer();
  } else {
    timer_.reset();
    connection_.reset();
  }
  if (const auto outcome = callout_.take_outcome()) {
    // The owner hears of the end with the next turn: it may be busy with this outcome.
    if (callout_.finished()) soon_ = loop_.after(0, [this] { owner_.on_session_end(*this); });
    return owner_.on_outcome(*this, *outcome);
  }
  if (callout_.finished()) owner_.on_session_end(*this);
}

}  // namespace qv
