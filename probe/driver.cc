// SPDX-License-Identifier: 0BSD
#include "probe/driver.h"

#include <deque>
#include <list>
#include <optional>
#include <utility>

#include "core/check.h"
#include "core/text.h"
#include "wire/smtp_address.h"

namespace qv::probe {

namespace {

using Step = Callout::Step;

constexpr std::int64_t kSweep_us = 60 * kSecond_us;

std::string address_text(const NextHop& hop) {
  if (starts_with(hop.host, "/")) return "unix:" + hop.host;
  const bool ipv6 = find_byte(hop.host, ':') < hop.host.size();
  return "inet:" + (ipv6 ? "[" + hop.host + "]" : hop.host) + ":" + std::to_string(hop.port);
}

}  // namespace

// One next hop at one address: its connections, and the questions that wait for them.
//
// A question goes to an idle connection, else to a new one while there are fewer than
// connections_per_host, else it waits.  If a connection fails after it has answered other
// questions, the failure says nothing about the open one: that is asked again, once, on a new
// connection.  After a failed TLS handshake it is asked again in the clear, unless TLS is a must.
// HostMemory records what is learnt about the host; once the host has failed, the waiting questions
// fail too.
//
//   Invariant: a question is in exactly one place: waiting_, or one session.
class ProbeDriver::Hop {
 public:
  using Answered = std::function<void(const ProbeOutcome&)>;
  using Ticket = std::uint64_t;

  // `name`: the host as the operator or the DNS names it.  REQUIRES: everything outlives this.
  Hop(const Surroundings& around, HostMemory& memory, const ProbeLimits& limits,
      event::StreamAddress address, std::string name, CalloutOptions options)
      : loop_(around.loop),
        connect_(around.connect),
        memory_(memory),
        limits_(limits),
        address_(std::move(address)),
        name_(std::move(name)),
        options_(std::move(options)) {}

  // Calls `answered` once, from the loop, unless cancelled; it must not destroy the hop.
  Ticket ask(const std::string& address, Answered answered) {
    const Ticket ticket = next_ticket_++;
    waiting_.push_back({ticket, address, std::move(answered), false});
    schedule();
    return ticket;
  }

  // Drops the question.  A connection that waits for its answer is closed, as a failure.
  void cancel(Ticket ticket) {
    const auto same = [ticket](const Question& question) { return question.ticket == ticket; };
    if (std::erase_if(waiting_, same) > 0) return;
    for (Session& session : sessions_) {
      if (!session.question || !same(*session.question)) continue;
      session.question.reset();
      session.give_up();
    }
  }

  // True: there are neither connections nor questions.
  [[nodiscard]] bool is_quiet() const { return sessions_.empty() && waiting_.empty(); }

 private:
  struct Question {
    Ticket ticket = 0;
    std::string address;
    Answered answered;
    bool retried = false;
  };

  // One connection with a Callout on it, and its time limits.  It calls its hop from the loop,
  // never from within a call by the hop.
  class Session final : private event::Connection::User {
   public:
    Session(Hop& hop, CalloutOptions options)
        : hop_(hop), callout_(std::move(options)), connection_(hop.connect_(hop.address_, *this)) {
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
    std::unique_ptr<event::Connection> connection_;
    event::Loop::Owned timer_;
    event::Loop::Owned soon_;
    unsigned timed_step_ = ~0u;
  };

  void schedule() {
    if (!soon_) soon_ = loop_.after(0, [this] { hand_out(); });
  }

  void hand_out() {
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
  void refuse_waiting(HostMemory::State state) {
    const bool sender = state == HostMemory::State::sender_refused;
    const ProbeOutcome outcome{cache::RecipientStatus::defer,
                               sender ? ProbeReason::sender_refused : ProbeReason::backing_off,
                               sender ? std::string(memory_.sender_refusal(address_.text))
                                      : "the host has failed and is left alone for a while"};
    const std::deque<Question> refused = std::exchange(waiting_, {});
    for (const Question& question : refused) question.answered(outcome);
  }

  // Null: no connection is idle, and no other is allowed.
  [[nodiscard]] Session* idle_or_new_session() {
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

  void record(const ProbeOutcome& outcome) {
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

  [[nodiscard]] bool is_worth_retrying(const Session& session, const ProbeOutcome& outcome) const {
    if (session.question->retried) return false;
    const Blame blame = traits_of(outcome.reason).blame;
    if (blame == Blame::tls) return options_.tls == TlsUse::may;
    // A slow host is no faster on a new connection.
    if (outcome.reason == ProbeReason::timed_out) return false;
    // asked() counts the failed question too.
    return blame == Blame::host && session.asked() > 1;
  }

  void on_outcome(Session& session, const ProbeOutcome& outcome) {
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

  void remove(const Session& session) {
    // Its end settled its question.
    QV_CHECK(!session.question);
    sessions_.remove_if([&](const Session& each) { return &each == &session; });
    if (!waiting_.empty()) schedule();
  }

  event::Loop& loop_;
  const event::Connector& connect_;
  HostMemory& memory_;
  const ProbeLimits& limits_;
  const event::StreamAddress address_;
  const std::string name_;
  const CalloutOptions options_;
  Ticket next_ticket_ = 1;
  std::deque<Question> waiting_;
  std::list<Session> sessions_;
  event::Loop::Owned soon_;
};

struct ProbeDriver::Probe {
  std::string key;
  std::string address;
  Route route;
  DomainCheck check = DomainCheck::no;
  std::vector<Done> waiters{};
  ProbeResult result{};
  std::vector<NextHop> hops{};  // in order; next_hop counts those that were begun
  std::size_t next_hop = 0;
  std::vector<event::StreamAddress>
      addresses{};  // of the current hop; next_address counts likewise
  std::size_t next_address = 0;
  bool seen_up = false;  // some hop has answered: not all are down
  Hop* hop = nullptr;    // the hop whose answer is awaited
  Hop::Ticket ticket = 0;
  event::Loop::Owned step{};  // a look-up, or the loop's next turn
  event::Loop::Owned deadline{};

  [[nodiscard]] const NextHop& current() const { return hops[next_hop - 1]; }
  void set_outcome(ProbeReason reason, std::string text) {
    result.outcome = {cache::RecipientStatus::defer, reason, std::move(text)};
  }
};

ProbeDriver::ProbeDriver(Surroundings surroundings, const ProbeLimits& limits,
                         CalloutOptions options)
    : around_(std::move(surroundings)),
      limits_(limits),
      options_(std::move(options)),
      memory_(limits_, around_.random),
      rate_(limits.rate),
      sweep_(around_.loop.every(kSweep_us, [this] {
        std::erase_if(hops_, [](const auto& entry) { return entry.second->is_quiet(); });
      })) {}

ProbeDriver::~ProbeDriver() = default;

void ProbeDriver::probe(const std::string& address, const Route& route, DomainCheck check,
                        Done done) {
  const std::string key = cache::cache_key(address);
  const bool full = probes_.size() >= limits_.pending;
  const auto [entry, is_new] = probes_.try_emplace(key);
  if (is_new) entry->second.reset(new Probe{key, address, route, check});
  Probe& probe = *entry->second;
  probe.waiters.push_back(std::move(done));
  if (!is_new) {
    ++counters_.joined;
    return;
  }
  if (full) {
    ++counters_.refused_pending;
    return fail(probe, ProbeReason::busy, "too many addresses are being verified");
  }
  if (rate_.take(route.entry, around_.loop.now_us()) == RateLimit::Pass::refused) {
    ++counters_.refused_rate;
    return fail(probe, ProbeReason::busy, "too many addresses of this domain are being verified");
  }
  ++counters_.started;
  if (!wire::smtp_mailbox(address)) {
    return fail(probe, ProbeReason::not_askable, "the address cannot be put into an SMTP command");
  }
  probe.deadline = around_.loop.after(limits_.whole_us, [this, &probe] { on_deadline(probe); });
  probe.step = around_.loop.after(0, [this, &probe] { find_hops(probe); });
}

void ProbeDriver::find_hops(Probe& probe) {
  if (!probe.route.hops.empty()) {
    probe.hops = probe.route.hops;
    return next_hop(probe);
  }
  const std::string domain(cache::domain_of(probe.address));
  probe.step =
      around_.find_exchangers(domain, [this, &probe, domain](const Result<Exchangers>& found) {
        if (!found.ok()) {
          return fail(probe, ProbeReason::unreachable, "mail exchangers cannot be looked up now");
        }
        for (const wire::dns::Mx& exchanger : found.value()) {
          if (exchanger.host.empty() || exchanger.host == ".") {
            return fail(probe, ProbeReason::no_route, "the domain takes no mail");
          }
          if (probe.hops.size() == limits_.exchangers) break;
          probe.hops.push_back({.host = exchanger.host});
        }
        // RFC 5321 section 5.1: without MX the domain is its own exchanger.
        if (probe.hops.empty()) probe.hops.push_back({.host = domain});
        next_hop(probe);
      });
}

void ProbeDriver::next_hop(Probe& probe) {
  if (probe.next_hop == probe.hops.size()) return finish(probe);
  ++probe.next_hop;
  probe.addresses.clear();
  probe.next_address = 0;
  const NextHop& hop = probe.current();
  if (hop.is_address) {
    Result<event::StreamAddress> address = event::parse_stream_address(address_text(hop));
    QV_CHECK(address.ok());
    probe.addresses.push_back(std::move(address).value());
    return next_address(probe);
  }
  probe.step = around_.find_addresses(
      hop.host, hop.port, [this, &probe](const Result<event::Addresses>& found) {
        if (!found.ok()) {
          probe.set_outcome(ProbeReason::unreachable, "the host cannot be looked up now");
          return next_hop(probe);
        }
        if (found.value().empty()) {
          probe.set_outcome(ProbeReason::no_route, "the host has no address");
        }
        probe.addresses = found.value();
        if (probe.addresses.size() > limits_.addresses_per_host) {
          probe.addresses.resize(limits_.addresses_per_host);
        }
        next_address(probe);
      });
}

void ProbeDriver::next_address(Probe& probe) {
  if (probe.next_address == probe.addresses.size()) return next_hop(probe);
  const event::StreamAddress& address = probe.addresses[probe.next_address++];
  probe.result.host = probe.current().host;
  if (around_.is_ourselves(address)) {
    // The failure of a hop that was asked says more.
    if (probe.result.outcome.text.empty()) {
      probe.set_outcome(ProbeReason::no_route, "the next hop is this host");
    }
    // The exchangers after ourselves are no nearer to the mailbox than we are.
    return probe.route.hops.empty() ? finish(probe) : next_address(probe);
  }
  Hop& hop = hop_at(probe, address);
  if (probe.check == DomainCheck::no) {
    return ask(probe, hop, probe.address, &ProbeDriver::on_answer);
  }
  ask(probe, hop, random_address(probe.address), &ProbeDriver::on_random);
}

ProbeDriver::Hop& ProbeDriver::hop_at(const Probe& probe, const event::StreamAddress& address) {
  const NextHop& next = probe.current();
  const std::string key = address.text + (next.lmtp ? " lmtp " : " smtp ") +
                          std::to_string(static_cast<int>(probe.route.tls));
  std::unique_ptr<Hop>& hop = hops_[key];
  if (!hop) {
    CalloutOptions options = options_;
    options.lmtp = next.lmtp;
    options.tls = probe.route.tls;
    hop = std::make_unique<Hop>(around_, memory_, limits_, address,
                                next.is_address ? "" : next.host, std::move(options));
  }
  return *hop;
}

void ProbeDriver::ask(Probe& probe, Hop& hop, const std::string& address, OnOutcome on_outcome) {
  probe.hop = &hop;
  probe.ticket = hop.ask(address, [this, &probe, on_outcome](const ProbeOutcome& outcome) {
    (this->*on_outcome)(probe, outcome);
  });
}

void ProbeDriver::on_random(Probe& probe, const ProbeOutcome& outcome) {
  if (outcome.reason != ProbeReason::recipient) return on_answer(probe, outcome);
  if (outcome.status == cache::RecipientStatus::ok) probe.result.accept_all = cache::AcceptAll::yes;
  if (outcome.status == cache::RecipientStatus::bounce)
    probe.result.accept_all = cache::AcceptAll::no;
  ask(probe, *probe.hop, probe.address, &ProbeDriver::on_answer);
}

void ProbeDriver::on_answer(Probe& probe, const ProbeOutcome& outcome) {
  probe.hop = nullptr;
  probe.result.outcome = outcome;
  if (outcome.reason == ProbeReason::recipient) return finish(probe);
  if (!traits_of(outcome.reason).down) probe.seen_up = true;
  next_address(probe);
}

void ProbeDriver::on_deadline(Probe& probe) {
  if (probe.hop != nullptr) probe.hop->cancel(probe.ticket);
  probe.set_outcome(ProbeReason::timed_out, "no answer within the time limit");
  finish(probe);
}

void ProbeDriver::fail(Probe& probe, ProbeReason reason, std::string text) {
  probe.set_outcome(reason, std::move(text));
  // Never from within probe(): its caller is not ready for the result.
  probe.step = around_.loop.after(0, [this, &probe] { finish(probe); });
}

void ProbeDriver::finish(Probe& probe) {
  QV_CHECK(probe.result.outcome.status != cache::RecipientStatus::todo);
  ++counters_.ended[probe.result.outcome.status];
  const bool down = traits_of(probe.result.outcome.reason).down && !probe.seen_up;
  if (down) probe.result.reach = ProbeResult::Reach::all_down;
  // A question about the same address from within a callback begins a new probe.
  const auto ended = probes_.extract(probe.key);
  QV_CHECK(!ended.empty());
  for (const Done& done : ended.mapped()->waiters) done(ended.mapped()->result);
}

std::string ProbeDriver::random_address(std::string_view address) {
  constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string local = "qv-";
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = around_.random();
    for (int i = 0; i < 12; ++i, bits >>= 5) local += kLetters[bits & 31];
  }
  return local + "@" + std::string(cache::domain_of(address));
}

}  // namespace qv::probe
