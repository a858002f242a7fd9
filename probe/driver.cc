// SPDX-License-Identifier: 0BSD
#include "probe/driver.h"

#include <utility>

#include "core/check.h"
#include "core/text.h"
#include "wire/smtp_address.h"

namespace qv {

namespace {

constexpr std::int64_t kSweep_us = 60 * kSecond_us;

std::string address_text(const NextHop& hop) {
  if (starts_with(hop.host, "/")) return "unix:" + hop.host;
  const bool ipv6 = find_byte(hop.host, ':') < hop.host.size();
  return "inet:" + (ipv6 ? "[" + hop.host + "]" : hop.host) + ":" + std::to_string(hop.port);
}

}  // namespace

struct ProbeDriver::Probe {
  std::string key;
  std::string address;
  Route route;
  DomainCheck check = DomainCheck::no;
  std::vector<Done> waiters{};
  ProbeResult result{};
  std::vector<NextHop> hops{};  // in order; next_hop counts those that were begun
  std::size_t next_hop = 0;
  std::vector<StreamAddress> addresses{};  // of the current hop; next_address counts likewise
  std::size_t next_address = 0;
  bool seen_up = false;  // some hop has answered: not all are down
  Hop* hop = nullptr;    // the hop whose answer is awaited
  Hop::Ticket ticket = 0;
  Loop::Owned step{};  // a look-up, or the loop's next turn
  Loop::Owned deadline{};

  [[nodiscard]] const NextHop& current() const { return hops[next_hop - 1]; }
  void set_outcome(ProbeReason reason, std::string text) {
    result.outcome = {RecipientStatus::defer, reason, std::move(text)};
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
  const std::string key = cache_key(address);
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
  if (!smtp_mailbox(address)) {
    return fail(probe, ProbeReason::not_askable, "the address cannot be put into an SMTP command");
  }
  probe.deadline = around_.loop.after(limits_.whole_us, [this, &probe] { on_deadline(probe); });
  probe.step = around_.loop.after(0, [this, &probe] { find_hops(probe); });
}

void ProbeDriver::find_hops(Probe& probe) {
  if (probe.route.kind == Route::Kind::hosts) {
    probe.hops = probe.route.hops;
    return next_hop(probe);
  }
  const std::string domain(domain_of(probe.address));
  probe.step = around_.exchangers.find_exchangers(
      domain, [this, &probe, domain](const Result<ExchangerLookup::Exchangers>& found) {
        if (!found.ok()) {
          return fail(probe, ProbeReason::unreachable, "mail exchangers cannot be looked up now");
        }
        for (const dns::Mx& exchanger : found.value()) {
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
    Result<StreamAddress> address = parse_stream_address(address_text(hop));
    QV_CHECK(address.ok());
    probe.addresses.push_back(std::move(address).value());
    return next_address(probe);
  }
  probe.step = around_.resolver.find_addresses(
      hop.host, hop.port, [this, &probe](const Result<Resolver::Addresses>& found) {
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
  const StreamAddress& address = probe.addresses[probe.next_address++];
  probe.result.host = probe.current().host;
  if (around_.is_ourselves(address)) {
    // The failure of a hop that was asked says more.
    if (probe.result.outcome.text.empty()) {
      probe.set_outcome(ProbeReason::no_route, "the next hop is this host");
    }
    // The exchangers after ourselves are no nearer to the mailbox than we are.
    return probe.route.kind == Route::Kind::mx ? finish(probe) : next_address(probe);
  }
  Hop& hop = hop_at(probe, address);
  if (probe.check == DomainCheck::no) {
    return ask(probe, hop, probe.address, &ProbeDriver::on_answer);
  }
  ask(probe, hop, random_address(probe.address), &ProbeDriver::on_random);
}

Hop& ProbeDriver::hop_at(const Probe& probe, const StreamAddress& address) {
  const NextHop& next = probe.current();
  const std::string key = address.text + (next.lmtp ? " lmtp " : " smtp ") +
                          std::to_string(static_cast<int>(probe.route.tls));
  std::unique_ptr<Hop>& hop = hops_[key];
  if (!hop) {
    CalloutOptions options = options_;
    options.lmtp = next.lmtp;
    options.tls = probe.route.tls;
    hop = std::make_unique<Hop>(around_.loop, around_.connector, memory_, limits_, address,
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
  if (outcome.status == RecipientStatus::ok) probe.result.accept_all = AcceptAll::yes;
  if (outcome.status == RecipientStatus::bounce) probe.result.accept_all = AcceptAll::no;
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
  QV_CHECK(probe.result.outcome.status != RecipientStatus::todo);
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
  return local + "@" + std::string(domain_of(address));
}

}  // namespace qv
