// SPDX-License-Identifier: 0BSD
// verify/verifier.h - decides every query, whatever protocol it came by.
//
//   Decision decision = verifier.decide(address, now);
//   if (decision.pending) verifier.park(decision, {address, now, [](const Decision& d) {...}});
//
// A query whose decision has to wait for a look-up is parked, and decided again when the answer is
// there.  Each parked query is completed exactly once, after kMaxParkedUs at the latest.  The
// number of parked queries is bounded, and so is the share of each lane (verify/cached_lookup.h):
// while one home or table hangs, further queries about it are undecided at once, and all others are
// parked and answered.
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
#include "process/counters.h"
#include "process/log.h"
#include "rcpt/config.h"
#include "rcpt/decide.h"
#include "verify/accounts.h"
#include "verify/cached_lookup.h"
#include "verify/next_hops.h"
#include "verify/options.h"
#include "verify/tables.h"
#include "wire/datagram.h"

namespace qv::verify {

// What qmail-verify counts since its start.  Each query is counted once where it comes in (legacy,
// extended or stream), and once where it is answered (valid, not_valid or undecided).
struct VerifyCounters : process::CounterList {
  process::Counter legacy{*this, "legacy", "datagrams of the legacy form"};
  process::Counter extended{*this, "extended", "datagrams of the extended form"};
  process::Counter stream{*this, "stream", "queries over stream sockets"};
  process::Counter too_long{*this, "too_long", "of the datagrams: too long, not valid"};
  process::Counter other{*this, "other", "stream requests that are not about a recipient"};
  process::Counter malformed{*this, "malformed", "stream clients dropped: not the protocol"};
  process::Counter valid{*this, "valid", "queries answered: valid"};
  process::Counter not_valid{*this, "not_valid", "queries answered: not valid"};
  process::Counter undecided{*this, "undecided", "queries answered: undecided"};
  process::Counter silent{*this, "silent", "of these: legacy, and no reply was sent"};
  process::Counter waited{*this, "waited", "queries that had to wait for a look-up"};
  process::Counter no_room{*this, "no_room", "undecided because too many were waiting"};
  process::Counter overdue{*this, "overdue", "undecided because their look-up took too long"};
};

// A query as it came in, for the log; what the client did not send is empty.
struct Asked {
  std::string_view address;
  std::string_view client;
  std::string_view helo;
  std::string_view sender;
  std::string_view via;  // the protocol; empty: datagrams
  std::int64_t at_us = 0;
};

// A decision that needs no look-up.
[[nodiscard]] rcpt::Decision decided_without_looking(rcpt::Why why);

// The names of a verdict, and where it is counted.
struct VerdictNames {
  std::string_view word;  // in the log: "valid", "not-valid", "undecided"
  wire::datagram::Result result;
  process::Counter VerifyCounters::*counter;
};
[[nodiscard]] const VerdictNames& names_of(rcpt::Verdict verdict);

struct ParkedQuery {
  std::string address;
  std::int64_t asked_at_us = 0;
  std::function<void(const rcpt::Decision&)> done;  // called from the loop, once
  rcpt::Explanation* explanation = nullptr;         // outlives the query
  Lane lane = 0;                                    // set by park()
};

// Where the verifier reports what is wrong with files and tables.
struct VerifierReports {
  std::function<void(const control::Problem&)> problem;
  std::function<void(std::string_view)> table;
  control::WallClock clock = control::wall_clock_ns;  // as ConfigWatch's
};
[[nodiscard]] VerifierReports reports_to_log(process::LogWriter& log);

class Verifier final : private rcpt::Lookups {
 public:
  static constexpr std::size_t kMaxParked = 4096;
  // A quarter: enough for a burst, as a lane that works is emptied many times a second; and while
  // three lanes hang, others still have room.
  static constexpr std::size_t kMaxParkedPerLane = kMaxParked / 4;
  // Less than the 5 s that a client waits by default.
  static constexpr std::int64_t kMaxParkedUs = 4000000;

  // REQUIRES: all outlive this object.  Reads no file yet.
  Verifier(event::Loop& loop, const Options& options, agent::Pool& pool, process::LogWriter& log,
           VerifierReports reports, PasswdPaths paths = {});

  // For batches of queries: begins to fetch what decide() will read first.
  [[nodiscard]] rcpt::CdbPrefetch prefetch(std::string_view address) const;

  // The decision about a query that came in at `asked_at_us`; it may be pending.
  [[nodiscard]] rcpt::Decision decide(std::string_view address, std::int64_t asked_at_us,
                                      rcpt::Explanation* explanation = nullptr);

  enum class Parked : std::uint8_t { yes, no_room };
  // REQUIRES: `decision` is pending, and is the last one that was made.
  // no_room: too many queries wait, in all or in this lane; the query is not parked, and `decision`
  // is Why::timeout.
  [[nodiscard]] Parked park(rcpt::Decision& decision, ParkedQuery query);

  // Counts an answered query, and logs one line as LOG says; the line goes out with the next flush
  // of the log, or when the loop turns.  `told`: the answer that the client got instead.
  void record(const Asked& asked, const rcpt::Decision& decision, std::string_view told = {});

  // Reads files that have changed, at most once a second, and reports what is wrong with them.
  void refresh(std::int64_t now_us);
  // Reads everything again and forgets all answers (SIGHUP).
  void reload();

  // The services count what comes in.
  [[nodiscard]] VerifyCounters& counters() { return counters_; }
  // Queries that wait now.
  [[nodiscard]] std::size_t parked() const;

 private:
  Result<rcpt::Look> find_user(std::string_view name, rcpt::Owner& owner) override {
    return passwd_.find_user(name, owner);
  }
  Result<rcpt::Look> owns_home(const rcpt::Owner& owner) override {
    return homes_.owns_home(owner);
  }
  Result<rcpt::Look> has_file(const rcpt::Owner& owner, std::string_view name) override {
    return homes_.has_file(owner, name);
  }
  Result<rcpt::Look> read_file(const rcpt::Owner& owner, std::string_view name,
                               rcpt::FileText& text) override {
    return homes_.read_file(owner, name, text);
  }
  Result<rcpt::Look> find_key(const rcpt::Owner& owner, const maps::TableQuestion& question,
                              maps::TableFinding& finding) override {
    return homes_.find_key(owner, question, finding);
  }
  std::size_t longest_name(const rcpt::Owner& owner) override { return homes_.longest_name(owner); }
  Result<rcpt::Look> find_recipient(std::string_view table, std::string_view address,
                                    std::string_view delimiters, rcpt::TableHit& hit) override {
    return tables_.find_recipient(table, address, delimiters, hit);
  }
  Result<rcpt::Look> ask_next_hop(std::string_view address, rcpt::NextHopAnswer& answer) override {
    return next_hops_.ask_next_hop(address, answer);
  }

  [[nodiscard]] Parked refuse(rcpt::Decision& decision);
  [[nodiscard]] Parked wait(std::uint32_t number, rcpt::Decision& decision);
  void decide_again(std::uint32_t number);
  void give_up_overdue();
  void complete(ParkedQuery& query, const rcpt::Decision& decision);

  event::Loop& loop_;
  const Options& options_;
  process::LogWriter& log_;
  VerifierReports reports_;

  rcpt::ConfigWatch config_;
  rcpt::UsersCdb users_;
  std::optional<rcpt::FastforwardCdb> fastforward_;

  PendingLookups lookups_;
  Homes homes_;
  Passwd passwd_;
  RecipientTables tables_;
  NextHops next_hops_;

  VerifyCounters counters_;
  // Without `done`: the place is free, or the query was given up.
  std::vector<ParkedQuery> places_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<Lane, std::size_t> lanes_;  // places taken in each, if any
  event::Loop::Owned sweep_;
};

}  // namespace qv::verify

#endif  // QV_VERIFY_VERIFIER_H_
