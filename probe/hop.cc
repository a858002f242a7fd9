// SPDX-License-Identifier: 0BSD
#include "probe/hop.h"

#include <optional>
#include <utility>

#include "core/check.h"

namespace qv {

using Step = Callout::Step;

// One connection with a Callout on it, and its time limits.  It calls its hop from the loop, never
// from within a call by the hop.
class Hop::Session final : private Connection::User {
 public:
  Session(Hop& hop, CalloutOptions options)
      : hop_(hop),
        callout_(std::move(options)),
        connection_(hop.connector_.connect(hop.address_, *this)) {
    set_timer();
  }

  [[nodiscard]] bool can_ask() const {
    return !question && callout_.can_ask() &&
           callout_.asked() < hop_.limits_.recipients_per_connection;
  }
  // The callout may have an outcome at once, which must not come from within this call.
  void ask(Question next) {
    question = std::move(next);
    callout_.ask(question->address);
    pump_soon();
  }
  // Sends QUIT and ends.  REQUIRES: no question is open.
  void leave() {
    callout_.leave();
    pump_soon();
  }
  // Ends at once, with the question timed out.
  void give_up() {
    callout_.lost(ProbeReason::timed_out, "time limit");
    pump_soon();
  }
  // Number of outcomes so far.
  [[nodiscard]] unsigned asked() const { return callout_.asked(); }

  std::optional<Question> question;

 private:
  void on_connected() override {
    callout_.connected();
    pump();
  }
  void on_bytes(std::string_view bytes) override {
    callout_.received(bytes);
    pump();
  }
  void on_secured() override {
    callout_.secured();
    pump();
  }
  void on_closed(During during, std::string_view why) override {
    const ProbeReason reason = during == During::connect     ? ProbeReason::unreachable
                               : during == During::handshake ? ProbeReason::tls_failed
                                                             : ProbeReason::broken;
    callout_.lost(reason, why);
    pump();
  }

  void set_timer() {
    if (timed_step_ == callout_.steps()) return;
    timed_step_ = callout_.steps();
    const Step step = callout_.step();
    const std::int64_t limit_us = step == Step::connect ? hop_.limits_.connect_us
                                  : step == Step::ready ? hop_.limits_.idle_us
                                                        : hop_.limits_.step_us;
    timer_ = hop_.loop_.after(limit_us, [this] { on_time(); });
  }

  void on_time() {
    const Step step = callout_.step();
    if (step == Step::ready) {
      callout_.leave();
    } else if (step == Step::connect) {
      callout_.lost(ProbeReason::unreachable, "no connection within the time limit");
    } else {
      callout_.lost(ProbeReason::timed_out, "no reply to " + std::string(step_name(step)));
    }
    pump();
  }

  void pump_soon() {
    soon_ = hop_.loop_.after(0, [this] { pump(); });
  }

  // Does what the callout wants; the last call in every callback.
  void pump() {
    const std::string output = callout_.take_output();
    if (!callout_.finished()) {
      soon_.reset();
      if (!output.empty()) connection_->send(output);
      if (callout_.take_tls_request()) connection_->start_tls(hop_.name_);
      set_timer();
    } else {
      timer_.reset();
      connection_.reset();
      soon_ = hop_.loop_.after(0, [this] { hop_.remove(*this); });
    }
    if (const auto outcome = callout_.take_outcome()) hop_.on_outcome(*this, *outcome);
  }

  Hop& hop_;
  Callout callout_;
  std::unique_ptr<Connection> connection_;
  Loop::Owned timer_;
  Loop::Owned soon_;
  unsigned timed_step_ = ~0u;
};

Hop::Hop(Loop& loop, Connector& connector, HostMemory& memory, const ProbeLimits& limits,
         StreamAddress address, std::string name, CalloutOptions options)
    : loop_(loop),
      connector_(connector),
      memory_(memory),
      limits_(limits),
      address_(std::move(address)),
      name_(std::move(name)),
      options_(std::move(options)) {}

Hop::~Hop() = default;

bool Hop::is_quiet() const { return sessions_.empty() && waiting_.empty(); }

Hop::Ticket Hop::ask(const std::string& address, Answered answered) {
  const Ticket ticket = next_ticket_++;
  waiting_.push_back({ticket, address, std::move(answered), false});
  schedule();
  return ticket;
}

void Hop::cancel(Ticket ticket) {
  const auto same = [ticket](const Question& question) { return question.ticket == ticket; };
  if (std::erase_if(waiting_, same) > 0) return;
  for (Session& session : sessions_) {
    if (!session.question || !same(*session.question)) continue;
    session.question.reset();
    session.give_up();
  }
}

void Hop::schedule() {
  if (!soon_) soon_ = loop_.after(0, [this] { hand_out(); });
}

void Hop::hand_out() {
  soon_.reset();
  const HostMemory::State state = memory_.state(address_.text, loop_.now_us());
  if (state != HostMemory::State::fine) return refuse_waiting(state);
  while (!waiting_.empty()) {
    Session* session = idle_or_new_session();
    if (session == nullptr) return;
    session->ask(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

// Questions on a connection still get their answers; these may succeed at another hop.
void Hop::refuse_waiting(HostMemory::State state) {
  const bool sender = state == HostMemory::State::sender_refused;
  const ProbeOutcome outcome{RecipientStatus::defer,
                             sender ? ProbeReason::sender_refused : ProbeReason::backing_off,
                             sender ? std::string(memory_.sender_refusal(address_.text))
                                    : "the host has failed and is left alone for a while"};
  const std::deque<Question> refused = std::exchange(waiting_, {});
  for (const Question& question : refused) question.answered(outcome);
}

Hop::Session* Hop::idle_or_new_session() {
  for (Session& session : sessions_) {
    if (session.can_ask()) return &session;
  }
  if (sessions_.size() >= limits_.connections_per_host) return nullptr;
  CalloutOptions options = options_;
  if (options.tls == TlsUse::may && memory_.is_tls_broken(address_.text, loop_.now_us())) {
    options.tls = TlsUse::never;
  }
  return &sessions_.emplace_back(*this, std::move(options));
}

void Hop::record(const ProbeOutcome& outcome) {
  const std::int64_t now_us = loop_.now_us();
  switch (traits_of(outcome.reason).blame) {
    case Blame::nobody:
      if (outcome.reason == ProbeReason::recipient) memory_.record_answer(address_.text);
      return;
    case Blame::host:
      return memory_.record_failure(address_.text, now_us);
    case Blame::sender:
      return memory_.record_sender_refused(address_.text, now_us, outcome.text);
    case Blame::tls:
      if (options_.tls == TlsUse::must) return memory_.record_failure(address_.text, now_us);
      return memory_.record_tls_broken(address_.text, now_us);
  }
}

bool Hop::is_worth_retrying(const Session& session, const ProbeOutcome& outcome) const {
  if (session.question->retried) return false;
  const Blame blame = traits_of(outcome.reason).blame;
  if (blame == Blame::tls) return options_.tls == TlsUse::may;
  // A slow host is no faster on a new connection.
  if (outcome.reason == ProbeReason::timed_out) return false;
  // asked() counts the failed question too.
  return blame == Blame::host && session.asked() > 1;
}

void Hop::on_outcome(Session& session, const ProbeOutcome& outcome) {
  if (!session.question) return record(outcome);
  const bool retry = is_worth_retrying(session, outcome);
  if (!retry || traits_of(outcome.reason).blame == Blame::tls) record(outcome);
  Question question = std::move(*session.question);
  session.question.reset();
  if (!session.can_ask()) session.leave();
  schedule();
  if (!retry) return question.answered(outcome);
  question.retried = true;
  waiting_.push_front(std::move(question));
}

void Hop::remove(const Session& session) {
  // Its end settled its question.
  QV_CHECK(!session.question);
  sessions_.remove_if([&](const Session& each) { return &each == &session; });
  if (!waiting_.empty()) schedule();
}

}  // namespace qv
