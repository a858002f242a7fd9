// SPDX-License-Identifier: 0BSD
// probe/driver.h - carries out probes: from an address and its route to an outcome.
//
// Finds the addresses of the next hops, asks one after the other until one answers, keeps the
// limits.  Two questions about one address are one probe.  A next hop that is ourselves is never
// asked.  Of exchangers found by MX those that come after ourselves are left out (RFC 5321 section
// 5.1).
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

#include "cache/rules.h"
#include "event/connect.h"
#include "event/loop.h"
#include "event/resolver.h"
#include "probe/exchangers.h"
#include "probe/hop.h"
#include "probe/limits.h"
#include "probe/routes.h"
#include "process/counters.h"

namespace qv {

struct ProbeResult {
  ProbeOutcome outcome;
  std::string host;                           // who answered, or failed last; may be empty
  AcceptAll accept_all = AcceptAll::unknown;  // what was found out about the domain
  // Every next hop is down, or its name cannot be looked up: what a backup MX accepts for.
  enum class Reach : std::uint8_t { reached, all_down } reach = Reach::reached;
};

// Counted since the start.
struct ProbeCounters : CounterList {
  Counter started{*this, "probes", "conversations begun"};
  Counter joined{*this, "probes_joined", "questions that joined one under way"};
  CounterArray<RecipientStatus, 3> ended{
      {{*this, "probes_ok", "probes that found the address deliverable"},
       {*this, "probes_defer", "probes that decided nothing"},
       {*this, "probes_bounce", "probes that found it undeliverable"}}};
  Counter refused_pending{*this, "refused_pending", "not begun: too many under way"};
  Counter refused_rate{*this, "refused_rate", "not begun: too many a minute"};
};

class ProbeDriver {
 public:
  using Done = std::function<void(const ProbeResult&)>;
  enum class DomainCheck : std::uint8_t { no, yes };

  struct Surroundings {
    Loop& loop;
    Connector& connector;
    Resolver& resolver;
    ExchangerLookup& exchangers;
    std::function<std::uint64_t()> random;                   // 64 random bits
    std::function<bool(const StreamAddress&)> is_ourselves;  // do we listen there?
  };

  // `options`: name and sender; protocol and TLS come with each route.
  ProbeDriver(Surroundings surroundings, const ProbeLimits& limits, CalloutOptions options);
  ~ProbeDriver();
  ProbeDriver(const ProbeDriver&) = delete;
  ProbeDriver& operator=(const ProbeDriver&) = delete;

  // Asks about `address`; `done` is called from the loop, once, never from within this call.
  // `check`: ask about a random recipient of the domain too.  While a probe for the same address is
  // under way `done` joins it, whatever its route.
  void probe(const std::string& address, const Route& route, DomainCheck check, Done done);

  // Whether a probe for this address (its cache key) is under way.
  [[nodiscard]] bool is_probing(const std::string& key) const { return probes_.contains(key); }
  // Probes under way.
  [[nodiscard]] std::size_t pending() const { return probes_.size(); }
  [[nodiscard]] const ProbeCounters& counters() const { return counters_; }
  // What is remembered against hosts.
  [[nodiscard]] HostMemory& hosts() { return memory_; }

 private:
  struct Probe;

  void start(Probe& probe);
  void find_hops(Probe& probe);
  void next_hop(Probe& probe);
  void next_address(Probe& probe);
  void ask_random(Probe& probe, Hop& hop);
  void ask_address(Probe& probe, Hop& hop);
  void on_random(Probe& probe, Hop& hop, const ProbeOutcome& outcome);
  void on_answer(Probe& probe, const ProbeOutcome& outcome);
  void on_deadline(Probe& probe);
  void fail(Probe& probe, ProbeReason reason, std::string text);
  void finish(Probe& probe);
  [[nodiscard]] Hop& hop_at(const Probe& probe, const StreamAddress& address);
  void forget_quiet_hops();
  [[nodiscard]] std::string random_address(std::string_view address);

  Surroundings around_;
  const ProbeLimits limits_;
  const CalloutOptions options_;
  HostMemory memory_;
  RateLimit rate_;
  ProbeCounters counters_;
  std::map<std::string, std::unique_ptr<Hop>, std::less<>> hops_;
  std::map<std::string, std::unique_ptr<Probe>, std::less<>> probes_;
  Loop::Owned sweep_;
};

}  // namespace qv

#endif  // QV_PROBE_DRIVER_H_
