// SPDX-License-Identifier: 0BSD
#include "probe/hop.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace qv {

namespace {

// Whether an outcome blames the host as a whole.
enum class Blame : std::uint8_t { nobody, host, sender, tls };

Blame blame(ProbeReason reason) {
  switch (reason) {
    case ProbeReason::recipient:
    case ProbeReason::not_askable:
    case ProbeReason::backing_off:
    case ProbeReason::busy:
    case ProbeReason::no_route:
      return Blame::nobody;
    case ProbeReason::sender_refused:
      return Blame::sender;
    case ProbeReason::tls_failed:
      return Blame::tls;
    case ProbeReason::host_refused:
    case ProbeReason::unreachable:
    case ProbeReason::timed_out:
    case ProbeReason::broken:
      return Blame::host;
  }
  QV_CHECK(false);
}

}  // namespace

Hop::Hop(Loop& loop, Connector& connector, HostMemory& memory, const ProbeLimits& limits,
         StreamAddress address, std::string name, CalloutOptions options)
    : loop_(loop),
      connector_(connector),
      memory_(memory),
      limits_(limits),
      address_(std::move(address)),
      name_(std::move(name)),
      options_(std::move(options)) {}

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
  ProbeSession::Owner& owner = *this;
  links_.back().session = std::make_unique<ProbeSession>(loop_, connector_, address_, name_,
                                                         limits_, std::move(options), owner);
  return &links_.back();
}

Hop::Links::iterator Hop::link_of(ProbeSession& session) {
  const auto link = std::find_if(links_.begin(), links_.end(), [&](const Link& candidate) {
    return candidate.session.get() == &session;
  });
  QV_CHECK(link != links_.end());
  return link;
}

void Hop::remember(const ProbeOutcome& outcome) {
  const std::int64_t now_us = loop_.now_us();
  switch (blame(outcome.reason)) {
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
  const Blame whose = blame(outcome.reason);
  if (whose == Blame::tls) return options_.tls == TlsUse::may;
  // A host that does not answer in time does not do so sooner on a new connection.
  if (outcome.reason == ProbeReason::timed_out) return false;
  // The one that failed counts as asked too.
  return whose == Blame::host && link.session->asked() > 1;
}

void Hop::on_outcome(ProbeSession& session, const ProbeOutcome& outcome) {
  Link& link = *link_of(session);
  if (!link.question) return remember(outcome);
  const bool retry = worth_retrying(link, outcome);
  if (!retry || blame(outcome.reason) == Blame::tls) remember(outcome);
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

void Hop::on_session_end(ProbeSession& session) {
  const auto link = link_of(session);
  link->ended = true;
  std::unique_ptr<ProbeSession> ended = std::move(link->session);
  // Its end settled what it was asked.
  QV_CHECK(!link->question);
  links_.erase(link);
  if (!waiting_.empty()) schedule();
}

}  // namespace qv
