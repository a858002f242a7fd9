// SPDX-License-Identifier: 0BSD
#include "probe/hop.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace qv {

using Step = Callout::Step;

// One connection with a Callout on it, and its time limits.  It calls its hop from the loop, never
// from within a call of the hop's.
class Hop::Session final : private Connection::User {
 public:
  Session(Hop& hop, CalloutOptions options)
      : hop_(hop),
        callout_(std::move(options)),
        connection_(hop.connector_.connect(hop.address_, *this)) {
    set_timer();
  }

  [[nodiscard]] bool can_ask() const {
    return callout_.can_ask() && callout_.asked() < hop_.limits_.recipients_per_connection;
  }
  // The outcome of what cannot be asked is there already, and must not come from within this call.
  void ask(std::string_view address) {
    callout_.ask(address);
    pump_soon();
  }
  // Says QUIT and ends.  REQUIRES: nothing is being asked.
  void leave() {
    callout_.leave();
    pump_soon();
  }
  // Ends at once; what is being asked is settled as timed out.
  void give_up() {
    callout_.lost(ProbeReason::timed_out, "time limit");
    pump_soon();
  }
  // Number of recipients it has settled.
  [[nodiscard]] unsigned asked() const { return callout_.asked(); }

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

  // Does what the callout wants; the last thing any callback does.
  void pump() {
    soon_.reset();
    const std::string output = callout_.take_output();
    if (!callout_.finished()) {
      if (!output.empty()) connection_->send(output);
      if (callout_.take_tls_request()) connection_->start_tls(hop_.name_);
      set_timer();
    } else {
      timer_.reset();
      connection_.reset();
    }
    if (const auto outcome = callout_.take_outcome()) {
      // The hop hears of the end with the next turn: it may be busy with this outcome.
      if (callout_.finished()) {
        soon_ = hop_.loop_.after(0, [this] { hop_.on_session_end(*this); });
      }
      return hop_.on_outcome(*this, *outcome);
    }
    if (callout_.finished()) hop_.on_session_end(*this);
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

Hop::Ticket Hop::ask(const std::string& address, Answered answered) {
  const Ticket ticket = next_ticket_++;
  waiting_.push_back({ticket, address, std::move(answered), false});
  schedule();
  return ticket;
}

void Hop::cancel(Ticket ticket) {
  const auto same = [ticket](const Question& question) { return question.ticket == ticket; };
  if (std::erase_if(waiting_, same) > 0) return;
  for (Link& link : links_) {
    if (!link.question || link.question->ticket != ticket) continue;
    link.question.reset();
    link.session->give_up();
  }
}

void Hop::schedule() {
  if (!soon_) soon_ = loop_.after(0, [this] { hand_out(); });
}

void Hop::hand_out() {
  soon_.reset();
  if (memory_.state(address_.text, loop_.now_us()) != HostMemory::State::fine) {
    return refuse_waiting();
  }
  while (!waiting_.empty()) {
    Link* link = idle_link();
    if (link == nullptr) link = new_link();
    if (link == nullptr) return;
    link->question = std::move(waiting_.front());
    waiting_.pop_front();
    link->session->ask(link->question->address);
  }
}

// Those that had the luck to be asked in time are answered; the others try elsewhere.
void Hop::refuse_waiting() {
  const bool sender =
      memory_.state(address_.text, loop_.now_us()) == HostMemory::State::sender_refused;
  const ProbeOutcome outcome{RecipientStatus::defer,
                             sender ? ProbeReason::sender_refused : ProbeReason::backing_off,
                             sender ? std::string(memory_.sender_refusal(address_.text))
                                    : "the host has failed and is left alone for a while"};
  std::deque<Question> refused = std::exchange(waiting_, {});
  for (const Question& question : refused) question.answered(outcome);
}

Hop::Link* Hop::idle_link() {
  for (Link& link : links_) {
    if (!link.ended && !link.question && link.session->can_ask()) return &link;
  }
  return nullptr;
}

Hop::Link* Hop::new_link() {
  if (links_.size() >= limits_.connections_per_host) return nullptr;
  CalloutOptions options = options_;
  const bool in_clear = memory_.tls(address_.text, loop_.now_us()) == HostMemory::Tls::broken;
  if (options.tls == TlsUse::may && in_clear) options.tls = TlsUse::never;
  links_.emplace_back();
  links_.back().session = std::make_unique<Session>(*this, std::move(options));
  return &links_.back();
}

Hop::Links::iterator Hop::link_of(const Session& session) {
  const auto link = std::find_if(links_.begin(), links_.end(), [&](const Link& candidate) {
    return candidate.session.get() == &session;
  });
  QV_CHECK(link != links_.end());
  return link;
}

void Hop::remember(const ProbeOutcome& outcome) {
  const std::int64_t now_us = loop_.now_us();
  switch (traits_of(outcome.reason).blame) {
    case Blame::nobody:
      if (outcome.reason == ProbeReason::recipient) memory_.note_answer(address_.text);
      return;
    case Blame::host:
      return memory_.note_failure(address_.text, now_us);
    case Blame::sender:
      return memory_.note_sender_refused(address_.text, now_us, outcome.text);
    case Blame::tls:
      if (options_.tls == TlsUse::must) return memory_.note_failure(address_.text, now_us);
      return memory_.note_tls_broken(address_.text, now_us);
  }
}

bool Hop::worth_retrying(const Link& link, const ProbeOutcome& outcome) const {
  if (link.question->retried) return false;
  const Blame whose = traits_of(outcome.reason).blame;
  if (whose == Blame::tls) return options_.tls == TlsUse::may;
  // A host that does not answer in time does not do so sooner on a new connection.
  if (outcome.reason == ProbeReason::timed_out) return false;
  // The one that failed counts as asked too.
  return whose == Blame::host && link.session->asked() > 1;
}

void Hop::on_outcome(Session& session, const ProbeOutcome& outcome) {
  Link& link = *link_of(session);
  if (!link.question) return remember(outcome);
  const bool retry = worth_retrying(link, outcome);
  if (!retry || traits_of(outcome.reason).blame == Blame::tls) remember(outcome);
  Question question = std::move(*link.question);
  link.question.reset();
  // A conversation that has ended says so in its own call; until then it takes no more.
  if (!session.can_ask()) session.leave();
  schedule();
  if (retry) {
    question.retried = true;
    waiting_.push_front(std::move(question));
    return;
  }
  question.answered(outcome);
}

void Hop::on_session_end(Session& session) {
  const auto link = link_of(session);
  link->ended = true;
  std::unique_ptr<Session> ended = std::move(link->session);
  // Its end settled what it was asked.
  QV_CHECK(!link->question);
  links_.erase(link);
  if (!waiting_.empty()) schedule();
}

}  // namespace qv
