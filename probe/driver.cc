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

// One address being asked about.  Where it stands is what of lookup, hop and soon is set.
struct ProbeDriver::Probe {
  std::string key;
  std::string address;
  Route route;
  DomainCheck check = DomainCheck::no;
  std::vector<Done> waiters;
  ProbeResult result;
  std::vector<NextHop> hops;  // still to be asked, in order, from next_hop
  std::size_t next_hop = 0;
  std::vector<StreamAddress> addresses;  // of the hop before next_hop, from next_address
  std::size_t next_address = 0;
  bool seen_up = false;  // some hop talked to us: not all are down
  Hop* hop = nullptr;    // where it waits for an answer
  Hop::Ticket ticket = 0;
  Loop::Owned lookup;
  Loop::Owned soon;
  Loop::Owned deadline;

  [[nodiscard]] const NextHop& current() const { return hops[next_hop - 1]; }
};

ProbeDriver::ProbeDriver(Surroundings surroundings, const ProbeLimits& limits,
                         CalloutOptions options)
    : around_(std::move(surroundings)),
      limits_(limits),
      options_(std::move(options)),
      memory_(limits_, around_.random),
      rate_(limits.rate),
      sweep_(around_.loop.every(kSweep_us, [this] { forget_quiet_hops(); })) {}

ProbeDriver::~ProbeDriver() = default;

void ProbeDriver::probe(const std::string& address, const Route& route, DomainCheck check,
                        Done done) {
  const std::string key = cache_key(address);
  if (const auto running = probes_.find(key); running != probes_.end()) {
    ++counters_.joined;
    running->second->waiters.push_back(std::move(done));
    return;
  }
  const bool full = probes_.size() >= limits_.pending;
  auto owned = std::make_unique<Probe>();
  Probe& probe = *owned;
  probe.key = key;
  probe.address = address;
  probe.route = route;
  probe.check = check;
  probe.waiters.push_back(std::move(done));
  probes_.emplace(key, std::move(owned));
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
  probe.soon = around_.loop.after(0, [this, &probe] { find_hops(probe); });
}

void ProbeDriver::find_hops(Probe& probe) {
  probe.soon.reset();
  if (probe.route.kind == Route::Kind::hosts) {
    probe.hops = probe.route.hops;
    return next_hop(probe);
  }
  const std::string domain(domain_of(probe.address));
  probe.lookup = around_.exchangers.find_exchangers(
      domain, [this, &probe, domain](const Result<ExchangerLookup::Exchangers>& found) {
        if (!found.ok()) {
          return fail(probe, ProbeReason::unreachable, "mail exchangers cannot be looked up now");
        }
        for (const MailExchanger& exchanger : found.value()) {
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
  probe.lookup = around_.resolver.find_addresses(
      hop.host, hop.port, [this, &probe](const Result<Resolver::Addresses>& found) {
        if (!found.ok()) {
          probe.result.outcome = {RecipientStatus::defer, ProbeReason::unreachable,
                                  "the host cannot be looked up now"};
          return next_hop(probe);
        }
        for (const StreamAddress& address : found.value()) {
          if (probe.addresses.size() == limits_.addresses_per_host) break;
          probe.addresses.push_back(address);
        }
        if (probe.addresses.empty()) {
          probe.result.outcome = {RecipientStatus::defer, ProbeReason::no_route,
                                  "the host has no address"};
        }
        next_address(probe);
      });
}

void ProbeDriver::next_address(Probe& probe) {
  if (probe.next_address == probe.addresses.size()) return next_hop(probe);
  const StreamAddress& address = probe.addresses[probe.next_address++];
  probe.result.host = probe.current().host;
  if (around_.is_ourselves(address)) {
    // Where nearer ones have been asked in vain, their failure is what matters.
    if (probe.result.outcome.text.empty()) {
      probe.result.outcome = {RecipientStatus::defer, ProbeReason::no_route,
                              "the next hop is this host"};
    }
    // The exchangers after ourselves are no nearer to the mailbox than we are.
    if (probe.route.kind == Route::Kind::mx) return finish(probe);
    return next_address(probe);
  }
  Hop& hop = hop_at(probe, address);
  if (probe.check == DomainCheck::yes) return ask_random(probe, hop);
  ask_address(probe, hop);
}

Hop& ProbeDriver::hop_at(const Probe& probe, const StreamAddress& address) {
  const NextHop& next = probe.current();
  const std::string key = address.text + (next.lmtp ? " lmtp " : " smtp ") +
                          std::to_string(static_cast<int>(probe.route.tls));
  auto known = hops_.find(key);
  if (known == hops_.end()) {
    CalloutOptions options = options_;
    options.lmtp = next.lmtp;
    options.tls = probe.route.tls;
    known = hops_
                .emplace(key, std::make_unique<Hop>(
                                  around_.loop, around_.connector, memory_, limits_, address,
                                  next.is_address ? "" : next.host, std::move(options)))
                .first;
  }
  return *known->second;
}

void ProbeDriver::ask_random(Probe& probe, Hop& hop) {
  probe.hop = &hop;
  probe.ticket = hop.ask(random_address(probe.address), [this, &probe, &hop](const auto& outcome) {
    on_random(probe, hop, outcome);
  });
}

void ProbeDriver::on_random(Probe& probe, Hop& hop, const ProbeOutcome& outcome) {
  if (outcome.reason != ProbeReason::recipient) return on_answer(probe, outcome);
  if (outcome.status == RecipientStatus::ok) probe.result.accept_all = AcceptAll::yes;
  if (outcome.status == RecipientStatus::bounce) probe.result.accept_all = AcceptAll::no;
  ask_address(probe, hop);
}

void ProbeDriver::ask_address(Probe& probe, Hop& hop) {
  probe.hop = &hop;
  probe.ticket = hop.ask(
      probe.address, [this, &probe](const ProbeOutcome& outcome) { on_answer(probe, outcome); });
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
  probe.hop = nullptr;
  probe.lookup.reset();
  probe.result.outcome = {RecipientStatus::defer, ProbeReason::timed_out,
                          "no answer within the time limit"};
  finish(probe);
}

void ProbeDriver::fail(Probe& probe, ProbeReason reason, std::string text) {
  probe.result.outcome = {RecipientStatus::defer, reason, std::move(text)};
  // Not from within probe(): whoever asks is not ready for the answer.
  probe.soon = around_.loop.after(0, [this, &probe] { finish(probe); });
}

void ProbeDriver::finish(Probe& probe) {
  QV_CHECK(probe.result.outcome.status != RecipientStatus::todo);
  ++counters_.ended[probe.result.outcome.status];
  const bool down = traits_of(probe.result.outcome.reason).down && !probe.seen_up;
  if (down) probe.result.reach = ProbeResult::Reach::all_down;
  const auto entry = probes_.find(probe.key);
  QV_CHECK(entry != probes_.end());
  // It may be asked about again from within the callbacks: then that is a new probe.
  const std::unique_ptr<Probe> ended = std::move(entry->second);
  probes_.erase(entry);
  for (const Done& done : ended->waiters) done(ended->result);
}

void ProbeDriver::forget_quiet_hops() {
  std::erase_if(hops_, [](const auto& entry) { return entry.second->quiet(); });
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
