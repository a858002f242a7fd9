// SPDX-License-Identifier: 0BSD
// probe/driver.h - carries out probes: from an address and its route to an outcome.
//
// The driver finds the next hops and their addresses, asks one after the other until one answers,
// and enforces the limits.  Questions about the same address share one probe.  This host is never
// asked, nor are the mail exchangers that come after it (RFC 5321 section 5.1).
//
// Threads: none.  Tests: tests/probe/driver_test.cc, tests/replay/
#ifndef QV_PROBE_DRIVER_H_
#define QV_PROBE_DRIVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/record.h"
#include "event/connect.h"
#include "event/loop.h"
#include "event/resolver.h"
#include "probe/callout.h"
#include "probe/exchangers.h"
#include "probe/limits.h"
#include "probe/routes.h"
#include "process/counters.h"

namespace qv::probe {

struct ProbeResult {
  ProbeOutcome outcome;
  std::string host;  // that answered, or failed last; may be empty
  cache::AcceptAll accept_all = cache::AcceptAll::unknown;  // of the domain
  // all_down: every next hop is down, or its name cannot be looked up.  A backup MX accepts then.
  enum class Reach : std::uint8_t { reached, all_down } reach = Reach::reached;
};

// Counted since the start.
struct ProbeCounters : process::CounterList {
  process::Counter started{*this, "probes", "conversations begun"};
  process::Counter joined{*this, "probes_joined", "questions that joined a probe under way"};
  process::CounterArray<cache::RecipientStatus, 3> ended{
      {{*this, "probes_ok", "probes that found the address deliverable"},
       {*this, "probes_defer", "probes that were undecided"},
       {*this, "probes_bounce", "probes that found it undeliverable"}}};
  process::Counter refused_pending{*this, "refused_pending", "not begun: too many under way"};
  process::Counter refused_rate{*this, "refused_rate", "not begun: too many a minute"};
};

class ProbeDriver {
 public:
  using Done = std::function<void(const ProbeResult&)>;
  enum class DomainCheck : std::uint8_t { no, yes };

  struct Surroundings {
    event::Loop& loop;
    event::Connector connect;
    event::Resolver find_addresses;
    ExchangerLookup find_exchangers;
    std::function<std::uint64_t()> random;                          // 64 random bits
    std::function<bool(const event::StreamAddress&)> is_ourselves;  // do we listen there?
  };

  // `options`: name and sender; protocol and TLS come with each route.
  ProbeDriver(Surroundings surroundings, const ProbeLimits& limits, CalloutOptions options);
  ~ProbeDriver();

  // Asks about `address`; calls `done` once, from the loop, never from within this call.  `check`:
  // also asks about a random recipient of the domain.  If a probe for the address is under way,
  // `done` joins it, whatever its route.
  void probe(const std::string& address, const Route& route, DomainCheck check, Done done);

  // Whether a probe for the address with this cache key is under way.
  [[nodiscard]] bool is_probing(const std::string& key) const { return probes_.contains(key); }
  // Probes under way.
  [[nodiscard]] std::size_t pending() const { return probes_.size(); }
  [[nodiscard]] const ProbeCounters& counters() const { return counters_; }
  [[nodiscard]] HostMemory& hosts() { return memory_; }

 private:
  class Hop;
  struct Probe;

  void find_hops(Probe& probe);
  void next_hop(Probe& probe);
  void next_address(Probe& probe);
  using OnOutcome = void (ProbeDriver::*)(Probe&, const ProbeOutcome&);
  void ask(Probe& probe, Hop& hop, const std::string& address, OnOutcome on_outcome);
  void on_random(Probe& probe, const ProbeOutcome& outcome);
  void on_answer(Probe& probe, const ProbeOutcome& outcome);
  void on_deadline(Probe& probe);
  void fail(Probe& probe, ProbeReason reason, std::string text);
  void finish(Probe& probe);
  [[nodiscard]] Hop& hop_at(const Probe& probe, const event::StreamAddress& address);
  [[nodiscard]] std::string random_address(std::string_view address);

  Surroundings around_;
  const ProbeLimits limits_;
  const CalloutOptions options_;
  HostMemory memory_;
  RateLimit rate_;
  ProbeCounters counters_;
  std::map<std::string, std::unique_ptr<Hop>, std::less<>> hops_;
  std::map<std::string, std::unique_ptr<Probe>, std::less<>> probes_;
  event::Loop::Owned sweep_;
};

}  // namespace qv::probe

#endif  // QV_PROBE_DRIVER_H_
