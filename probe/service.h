// SPDX-License-Identifier: 0BSD
// probe/service.h - what is known about an address, and a probe if that is not enough.
//
// The cache answers a query at once.  If it has nothing, or an old answer, a probe goes out behind
// the answer (soft expiry); the client may wait for its outcome.
//
//   what is known                        | answer                     | why
//   -------------------------------------+----------------------------+--------------
//   positive or negative record          | ok, bounce                 | probe
//   temporary record, within its time    | defer                      | probe
//   the domain takes every address       | ok or defer, as set        | accept-all
//   nothing; a probe is out              | todo                       | probe-pending
//   nothing; the domain is not probed    | defer                      | not-probed
//   no next hop can be reached           | defer, ok for a backup MX  | unreachable, backup-mx
//   a limit is reached                   | defer                      | busy
//   the store fails                      | defer, no probe            | table-error
//   not an address                       | defer                      | syntax
//
// Outcomes that say nothing about the address (host down, limits, sender refused), and those that
// must not be stored, answer the queries of the next kRecent_s and are then dropped.
//
// Threads: none.  Manual: qmail-probe(8).  Tests: tests/probe/replay_test.cc, tests/replay/
#ifndef QV_PROBE_SERVICE_H_
#define QV_PROBE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "cache/record.h"
#include "event/loop.h"
#include "probe/driver.h"
#include "probe/records.h"
#include "probe/routes.h"
#include "process/counters.h"

namespace qv::probe {

struct VerifyAnswer {
  cache::RecipientStatus status = cache::RecipientStatus::defer;
  std::string reason;  // printable
  std::string_view why = "probe";
};

struct ServiceSettings {
  cache::CacheTimes times;
  // The answer about addresses of a domain that accepts every address: ok or defer.
  cache::RecipientStatus accept_all = cache::RecipientStatus::ok;
  // Whether to ask about random recipients at all.
  ProbeDriver::DomainCheck domain_check = ProbeDriver::DomainCheck::yes;
};

// Counted since the start.
struct ServiceCounters : process::CounterList {
  process::Counter queries{*this, "queries", "questions asked"};
  process::CounterArray<cache::RecipientStatus, 4> answered{
      {{*this, "ok", "answered: deliverable"},
       {*this, "defer", "answered: undecided"},
       {*this, "bounce", "answered: undeliverable"},
       {*this, "todo", "answered: being probed"}}};
  process::Counter refreshes{*this, "refreshes", "old answers given while a new one was fetched"};
  process::Counter updates{*this, "updates", "entries written by clients"};
  process::Counter accept_all{*this, "accept_all",
                              "answers from a next hop that accepts everything"};
  process::Counter backup_mx{*this, "backup_mx", "accepted because the primary was down"};
};

class ProbeService {
 public:
  static constexpr std::int64_t kRecent_s = 10;

  using Done = std::function<void(const VerifyAnswer&)>;
  using Clock = std::function<std::int64_t()>;  // seconds since 1970

  // REQUIRES: `loop`, `records` and `driver` outlive this object.
  ProbeService(event::Loop& loop, Clock clock, Records& records, ProbeDriver& driver,
               const ServiceSettings& settings, Report report);

  // Replaces the routes; probes under way keep theirs.
  void set_routes(Routes routes) { routes_ = std::move(routes); }

  // The answer, if a record has it and no probe is needed: so nearly always.  Null: ask query().
  // Valid until the next call.
  [[nodiscard]] const VerifyAnswer* find_known(std::string_view address);

  // Answers at once, or within `wait_us` if a probe is needed first.
  void query(std::string_view address, std::int64_t wait_us, Done done);

  // Stores an outcome that a client reports.  not_an_address: refused.
  // REQUIRES: status is not todo.
  enum class Updated : std::uint8_t { done, not_an_address };
  Updated update(std::string_view address, cache::RecipientStatus status, std::string_view reason);

  // Stores a record with its lifetime, for all hosts.
  void store(const std::string& key, const cache::CacheRecord& record);

  // Drops what is not in the store: recent outcomes and failures of hosts.  For a purge.
  void forget_recent();

  [[nodiscard]] const ServiceCounters& counters() const { return counters_; }

 private:
  struct Question {
    std::string key;
    std::string address;
    std::int64_t wait_us = 0;
    Done done;
    Records::Entry record = {};
  };
  using Asked = std::shared_ptr<Question>;
  struct Waiter {
    Asked asked;
    event::Loop::Owned timer;
  };
  struct Recent {
    VerifyAnswer answer;
    std::int64_t until_us = 0;
  };
  // What becomes of an outcome: it is stored, or answers for kRecent_s, or neither.
  enum class Use : std::uint8_t { store, retain, drop };

  void judge_address(const Asked& asked, const Result<Records::Entry>& found);
  void begin_probe(const Asked& asked, cache::AcceptAll domain);
  void refresh(const Asked& asked);
  void start_probe(const Asked& asked, const Route& route, cache::AcceptAll domain);
  void on_result(const Question& asked, const Route& route, const ProbeResult& result);
  void settle(const std::string& key, const VerifyAnswer& answer, Use use, Records::Then then);
  void use_outcome(const std::string& key, const VerifyAnswer& answer, Use use,
                   const Records::Entry& old);
  void store_domain(const std::string& address, cache::AcceptAll domain);
  [[nodiscard]] VerifyAnswer answer_of(const Route& route, const ProbeResult& result);
  [[nodiscard]] VerifyAnswer accept_all_answer();
  void retain(const std::string& key, const VerifyAnswer& answer);
  [[nodiscard]] const VerifyAnswer* find_recent(const std::string& key);
  void wait(const Asked& asked);
  void answer_waiters(const std::string& key, const VerifyAnswer& answer);
  void finish(const Question& asked, const VerifyAnswer& answer);

  event::Loop& loop_;
  Clock clock_;
  Records& records_;
  ProbeDriver& driver_;
  const ServiceSettings settings_;
  Report report_;
  Routes routes_;
  ServiceCounters counters_;
  std::multimap<std::string, Waiter, std::less<>> waiters_;
  std::map<std::string, Recent, std::less<>> recent_;
  event::Loop::Owned sweep_;
  // Reused memory of find_known().
  std::string key_;
  cache::CacheRecord record_;
  VerifyAnswer known_;
};

}  // namespace qv::probe

#endif  // QV_PROBE_SERVICE_H_
