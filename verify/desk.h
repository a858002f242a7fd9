// SPDX-License-Identifier: 0BSD
// verify/desk.h - where every question is decided, whatever it came by.
//
//   Decision d = desk.decide(address, now);
//   if it is pending: desk.park(waiter, now), and the waiter is told later.
//
// A decision that has to wait for a helper is parked - a bounded number of them, none for longer
// than kMaxParkedUs - and decided again when the helper has answered; nobody waits for it
// meanwhile.  A waiter is told exactly once.
//
// Threads: none.  Blocking: never, but for reading changed control files.
// Tests: tests/verify/desk_test.cc, tests/e2e/daemon.py, tests/e2e/streams.py
#ifndef QV_VERIFY_DESK_H_
#define QV_VERIFY_DESK_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "event/loop.h"
#include "process/log.h"
#include "verify/cached_lookups.h"
#include "verify/counters.h"
#include "verify/judge.h"
#include "verify/options.h"

namespace qv {

// A question as it came, for the log; what the client did not say is empty.
struct Asked {
  std::string_view address;
  std::string_view client;
  std::string_view helo;
  std::string_view sender;
  std::string_view via;  // the protocol; empty: datagrams
  std::int64_t at_us = 0;
};

// A decision that nobody had to look for.
[[nodiscard]] Decision decided_without_looking(Why why);

// "valid", "notvalid", "undecided".
[[nodiscard]] std::string_view verdict_word(Verdict verdict);

class Desk {
 public:
  static constexpr std::size_t kMaxParked = 2048;
  // Less than the 5 s a client waits by default.
  static constexpr std::int64_t kMaxParkedUs = 4000000;

  // Somebody whose question could not be decided at once.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    [[nodiscard]] virtual std::string_view address() const = 0;
    // From the loop, once, and then the waiter is destroyed.
    virtual void told(const Decision& decision) = 0;
  };

  // REQUIRES: all four outlive this object.
  Desk(Loop& loop, const Options& options, helper::Pool& pool, LogWriter& log);

  // For questions that come many at a time: what decide() will look at first.
  [[nodiscard]] UsersCdb::Place look_ahead(std::string_view address) {
    const VerifyMaps& maps = judge_.config().verifymaps;
    UsersCdb::Place place;
    if (maps.is_unused() || !lookups_.tables().look_ahead(maps, address, place)) {
      return judge_.look_ahead(address);
    }
    return place;
  }

  // Pending: park() it before anything else is decided.
  [[nodiscard]] Decision decide(std::string_view address, std::int64_t asked_at_us);

  enum class Parked : std::uint8_t { yes, no_room };
  // no_room: the waiter is gone and was not told; the answer is Why::timeout.
  [[nodiscard]] Parked park(std::unique_ptr<Waiter> waiter, std::int64_t asked_at_us);

  // A question is answered.  One line, where LOG wants it; it goes out with the next flush of the
  // log, or when the loop turns.  `told`: what the client was told instead of the truth.
  void note(const Asked& asked, const Decision& decision, std::string_view told = {});

  // Looks for changed files, at most once a second, and logs what is wrong with them.
  void refresh(std::int64_t now_us);
  // Reads everything again and forgets what was remembered (SIGHUP).
  void reload();

  // What was counted since the start; whoever brings questions counts what came in.
  [[nodiscard]] VerifyCounters& counters() { return counters_; }
  // Questions that wait now.
  [[nodiscard]] std::size_t parked() const;

 private:
  struct Place {
    std::unique_ptr<Waiter> waiter;  // none: not in use, or given up
    std::int64_t asked_at_us = 0;
  };

  [[nodiscard]] TableSettings table_settings();
  void decide_again(std::uint32_t number);
  void give_up_overdue();
  void tell(Place& place, const Decision& decision);
  void count(Verdict verdict);

  Loop& loop_;
  const Options& options_;
  LogWriter& log_;
  CachedLookups lookups_;
  Judge judge_;
  VerifyCounters counters_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  Loop::Owned sweep_;
};

}  // namespace qv

#endif  // QV_VERIFY_DESK_H_
