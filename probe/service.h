// SPDX-License-Identifier: 0BSD
// probe/service.h - what is known about an address, now; and finding it out where it is not.
//
// A query is answered at once from the cache.  Where the cache has nothing, or something old, a
// probe goes out behind the answer (soft expiry); who asks may wait for it.
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
// Outcomes that say nothing about the address (host down, limits, sender refused) are not stored,
// but told to whoever asks within kRecent_s, and so are those that must not be stored.
//
//   Invariant: waiters_ has a key only while the driver is probing for it; who waits for another
//   host's probe looks again and again (polls_).
//
// Threads: none.  Manual: qmail-probe(8).  Tests: tests/probe/replay_test.cc, tests/replay/
#ifndef QV_PROBE_SERVICE_H_
#define QV_PROBE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cache/rules.h"
#include "event/loop.h"
#include "probe/driver.h"
#include "probe/records.h"
#include "probe/routes.h"
#include "process/counters.h"

namespace qv {

struct VerifyAnswer {
  RecipientStatus status = RecipientStatus::defer;
  std::string reason;  // printable
  std::string_view why = "probe";
};

struct ServiceSettings {
  CacheTimes times;
  // What an address of a domain that takes every address is.
  RecipientStatus accept_all = RecipientStatus::ok;  // ok or defer
  // Whether random recipients are asked about at all.
  ProbeDriver::DomainCheck domain_check = ProbeDriver::DomainCheck::yes;
};

// Counted since the start.
struct ServiceCounters : CounterList {
  Counter queries{*this, "queries", "questions asked"};
  CounterArray<RecipientStatus, 4> answered{{{*this, "ok", "answered: deliverable"},
                                             {*this, "defer", "answered: undecided"},
                                             {*this, "bounce", "answered: undeliverable"},
                                             {*this, "todo", "answered: being asked about"}}};
  Counter refreshes{*this, "refreshes", "probes behind an answer that was given"};
  Counter updates{*this, "updates", "entries written by clients"};
  Counter accept_all{*this, "accept_all", "answers from a next hop that accepts everything"};
  Counter backup_mx{*this, "backup_mx", "accepted because the primary was down"};
};

class VerifyService {
 public:
  static constexpr std::int64_t kRecent_s = 10;

  using Done = std::function<void(const VerifyAnswer&)>;
  using Clock = std::function<std::int64_t()>;  // seconds since 1970

  // REQUIRES: `loop`, `records` and `driver` outlive this object.
  VerifyService(Loop& loop, Clock clock, Records& records, ProbeDriver& driver,
                const ServiceSettings& settings, Report report);

  // Replaces the routes; probes under way go on with theirs.
  void set_routes(Routes routes) { routes_ = std::move(routes); }

  // The answer to what query() need not wait for or look any further for; nullptr: ask that.
  // Nearly all questions are such.  Good until the next call.
  [[nodiscard]] const VerifyAnswer* find_known(std::string_view address);

  // Answers at once, or within `wait_us` where there is nothing yet and a probe may find it.
  void query(std::string_view address, std::int64_t wait_us, Done done);

  // Somebody else's outcome.  not_an_address: refused.  REQUIRES: status is not todo.
  enum class Updated : std::uint8_t { done, not_an_address };
  Updated update(std::string_view address, RecipientStatus status, std::string_view reason);

  // Tells the other hosts of a record that was put into the store.  REQUIRES: it is whole.
  void share(const std::string& key, std::string_view record);

  // Forgets what is not in the store: outcomes told but not stored, and what is held against
  // hosts.  For an operator who purges.
  void forget_recent();

  [[nodiscard]] const ServiceCounters& counters() const { return counters_; }

 private:
  struct Asked {
    std::string key;
    std::string address;
    std::int64_t wait_us = 0;
    Done done;
  };
  struct Waiter {
    std::uint64_t number = 0;
    Done done;
    Loop::Owned timer;
  };
  struct Recent {
    VerifyAnswer answer;
    std::int64_t until_us = 0;
  };

  void judge_address(Asked asked, const Result<std::optional<CacheRecord>>& found);
  void judge_domain_of(Asked asked, std::optional<CacheRecord> record, const Judgement& judgement);
  void use_domain(Asked asked, const std::optional<CacheRecord>& record, AcceptAll domain);
  void refresh(const Asked& asked, const CacheRecord& record);
  void start_probe(const std::string& key, const std::string& address, const Route& route,
                   const std::optional<CacheRecord>& record, AcceptAll domain);
  void on_result(const std::string& key, const std::string& address, const Route& route,
                 const ProbeResult& result);
  using Then = std::function<void()>;
  void store_outcome(const std::string& key, const VerifyAnswer& answer, Then then);
  void store_domain(const std::string& address, AcceptAll domain);
  void clear_probe(const std::string& key, std::optional<VerifyAnswer> instead, Then then);
  [[nodiscard]] VerifyAnswer answer_of(const Route& route, const ProbeResult& result);
  [[nodiscard]] VerifyAnswer accept_all_answer();
  void keep_recent(const std::string& key, const VerifyAnswer& answer);
  [[nodiscard]] const VerifyAnswer* find_recent(const std::string& key);
  void wait(Asked asked);
  void look_again(Asked asked);
  void tell_waiters(const std::string& key, const VerifyAnswer& answer);
  void finish(const Asked& asked, const VerifyAnswer& answer);
  [[nodiscard]] std::int64_t use_of(RecipientStatus status) const;

  Loop& loop_;
  Clock clock_;
  Records& records_;
  ProbeDriver& driver_;
  const ServiceSettings settings_;
  Report report_;
  Routes routes_;
  ServiceCounters counters_;
  std::uint64_t next_waiter_ = 1;
  std::map<std::string, std::list<Waiter>, std::less<>> waiters_;
  std::map<std::string, Recent, std::less<>> recent_;
  std::map<std::uint64_t, Loop::Owned> polls_;
  Loop::Owned sweep_;
  // Of find_known(), kept for their memory.
  std::string key_;
  CacheRecord record_;
  VerifyAnswer known_;
};

}  // namespace qv

#endif  // QV_PROBE_SERVICE_H_
