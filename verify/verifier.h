// SPDX-License-Identifier: 0BSD
// verify/verifier.h - decides every query, whatever protocol it came by.
//
//   Decision decision = verifier.decide(address, now);
//   if (decision.pending) verifier.park(decision, {address, now, [](const Decision& d) {...}});
//
// A query whose decision has to wait for a look-up is parked - a bounded number of them, none for
// longer than kMaxParkedUs - and decided again when the answer is there; nobody waits for it
// meanwhile.  Each parked query is completed exactly once.  Queries that wait for the same lane
// (verify/cached_lookup.h) get a share of the places and no more: while one home or table hangs,
// further queries about it are undecided at once, and all others are parked and answered.
//
// Threads: none.  Blocking: never, but for reading changed control files.
// Tests: tests/verify/verifier_test.cc, tests/e2e/daemon.py, tests/e2e/streams.py
#ifndef QV_VERIFY_VERIFIER_H_
#define QV_VERIFY_VERIFIER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "event/loop.h"
#include "process/log.h"
#include "rcpt/config.h"
#include "rcpt/decide.h"
#include "verify/cached_lookup.h"
#include "verify/counters.h"
#include "verify/homes.h"
#include "verify/next_hops.h"
#include "verify/options.h"
#include "verify/passwd.h"
#include "verify/tables.h"
#include "wire/datagram.h"

namespace qv {

// A query as it came, for the log; what the client did not say is empty.
struct Asked {
  std::string_view address;
  std::string_view client;
  std::string_view helo;
  std::string_view sender;
  std::string_view via;  // the protocol; empty: datagrams
  std::int64_t at_us = 0;
};

// A decision that needs no look-up.
[[nodiscard]] Decision decided_without_looking(Why why);

// What a verdict is called and counted as.
struct VerdictNames {
  std::string_view word;  // in the log: "valid", "not-valid", "undecided"
  datagram::Result result;
  Counter VerifyCounters::*counter;
};
[[nodiscard]] const VerdictNames& names_of(Verdict verdict);

// A query that waits to be decided.
struct ParkedQuery {
  std::string address;
  std::int64_t asked_at_us = 0;
  std::function<void(const Decision&)> done;  // called from the loop, once
  Explanation* explanation = nullptr;         // outlives the query
};

// Where the verifier says what is wrong with files and tables.
struct VerifierReports {
  std::function<void(const Problem&)> problem;
  std::function<void(std::string_view)> table;
  WallClock clock = wall_clock_ns;  // as ConfigWatch's
};
[[nodiscard]] VerifierReports reports_to_log(LogWriter& log);

class Verifier final : private Lookups {
 public:
  static constexpr std::size_t kMaxParked = 4096;
  // A quarter: enough for a burst, as a lane that works is emptied many times a second; and when
  // three lanes hang there are still places.
  static constexpr std::size_t kMaxParkedPerLane = kMaxParked / 4;
  // Less than the 5 s a client waits by default.
  static constexpr std::int64_t kMaxParkedUs = 4000000;

  // REQUIRES: all outlive this object.  Reads no file yet.
  Verifier(Loop& loop, const Options& options, helper::Pool& pool, LogWriter& log,
           VerifierReports reports, PasswdPaths paths = {});
  Verifier(Loop& loop, const Options& options, helper::Pool& pool, LogWriter& log)
      : Verifier(loop, options, pool, log, reports_to_log(log)) {}

  // For queries that come many at a time: begins to fetch what decide() will read first.
  [[nodiscard]] CdbPrefetch prefetch(std::string_view address) const;

  // The decision about a query that came in at this moment; it may be pending.
  [[nodiscard]] Decision decide(std::string_view address, std::int64_t asked_at_us,
                                Explanation* explanation = nullptr);

  enum class Parked : std::uint8_t { yes, no_room };
  // REQUIRES: `pending` is, and is the last decision that was made.
  // no_room: too many wait, in all or in this lane; the query is gone and is not completed.  The
  // answer is Why::timeout.
  [[nodiscard]] Parked park(const Decision& pending, ParkedQuery query);

  // A query is answered.  Counts it and logs one line, where LOG wants it; the line goes out with
  // the next flush of the log, or when the loop turns.  `told`: the answer the client got instead.
  void record(const Asked& asked, const Decision& decision, std::string_view told = {});

  // Looks for changed files, at most once a second, and reports what is wrong with them.
  void refresh(std::int64_t now_us);
  // Reads everything again and forgets what was remembered (SIGHUP).
  void reload();

  // What was counted since the start; whoever brings queries counts what came in.
  [[nodiscard]] VerifyCounters& counters() { return counters_; }
  // Queries that wait now.
  [[nodiscard]] std::size_t parked() const;

 private:
  // Each answered by the source that knows it.
  Result<Look> find_user(std::string_view name, Owner& owner) override {
    return passwd_.find_user(name, owner);
  }
  Result<Look> owns_home(const Owner& owner) override { return homes_.owns_home(owner); }
  Result<Look> has_file(const Owner& owner, std::string_view name) override {
    return homes_.has_file(owner, name);
  }
  Result<Look> read_file(const Owner& owner, std::string_view name, FileText& text) override {
    return homes_.read_file(owner, name, text);
  }
  Result<Look> find_key(const Owner& owner, const TableQuestion& question,
                        TableFinding& finding) override {
    return homes_.find_key(owner, question, finding);
  }
  std::size_t longest_name(const Owner& owner) override { return homes_.longest_name(owner); }
  Result<Look> find_recipient(std::string_view table, std::string_view address,
                              std::string_view delimiters, TableHit& hit) override {
    return tables_.find_recipient(table, address, delimiters, hit);
  }
  Result<Look> ask_next_hop(std::string_view address, NextHopAnswer& answer) override {
    return next_hops_.ask_next_hop(address, answer);
  }

  struct Place {
    ParkedQuery query;  // without `done`: the place is free, or the query was given up
    Lane lane = 0;      // that it counts in; not free
  };

  [[nodiscard]] Parked wait(std::uint32_t number, PendingLookup& lookup);
  void decide_again(std::uint32_t number);
  void give_up_overdue();
  void complete(ParkedQuery& query, const Decision& decision);

  Loop& loop_;
  const Options& options_;
  LogWriter& log_;
  VerifierReports reports_;

  ConfigWatch config_;
  UsersCdb users_;
  std::optional<FastforwardCdb> fastforward_;

  PendingLookups lookups_;
  Homes homes_;
  Passwd passwd_;
  RecipientTables tables_;
  NextHops next_hops_;

  VerifyCounters counters_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<Lane, std::size_t> lanes_;  // places taken in each, if any
  Loop::Owned sweep_;
};

}  // namespace qv

#endif  // QV_VERIFY_VERIFIER_H_
