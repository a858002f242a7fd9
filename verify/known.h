// SPDX-License-Identifier: 0BSD
// verify/known.h - something found out through a helper: how old it is, and who waits for it.
//
// A decision may use what was found out no longer than `ttl` before its query came in.  What is
// older is asked for again; the decision parks meanwhile and is run again when the answer is there.
// One question is under way at a time for one thing, however many wait for it.
//
// Tests: tests/verify/cached_lookups_test.cc
#ifndef QV_VERIFY_KNOWN_H_
#define QV_VERIFY_KNOWN_H_

#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/result.h"
#include "event/loop.h"
#include "helper/pool.h"

namespace qv {

struct Known {
  static constexpr std::int64_t kNever = INT64_MIN / 2;

  std::int64_t at_us = kNever;  // when the question was asked that gave the answer
  bool asking = false;
  std::optional<Error> error;          // why it could not be found out
  std::vector<std::uint32_t> waiting;  // parked decisions, by number

  [[nodiscard]] bool is_busy() const { return asking || !waiting.empty(); }
};

class Askers {
 public:
  // A look-up that took too long is not tried again for this long: whoever asks about a home that
  // hangs gets "cannot tell now" at once, and the helpers are there for others.
  static constexpr std::int64_t kHoldTimeoutUs = 5000000;

  using Ready = std::function<void(std::uint32_t)>;

  // `ready` is called with the number of each decision that is to be run again.
  Askers(Loop& loop, helper::Pool& pool, std::int64_t ttl_us, Ready ready)
      : loop_(loop), pool_(pool), ttl_us_(ttl_us), ready_(std::move(ready)) {}

  // Look-ups from here on are for a query that came in at this moment.
  void begin(std::int64_t asked_at_us) {
    asked_at_us_ = asked_at_us;
    pending_ = nullptr;
  }

  // May the current query use it?
  [[nodiscard]] bool is_fresh(const Known& known) const {
    const bool slow = known.error && known.error->errnum == ETIMEDOUT;
    const std::int64_t ttl = slow && ttl_us_ < kHoldTimeoutUs ? kHoldTimeoutUs : ttl_us_;
    return known.at_us >= asked_at_us_ - ttl;
  }
  void set_fresh(Known& known) const { known.at_us = asked_at_us_; }

  // The current query cannot go on without it.
  void need(Known& known) { pending_ = &known; }

  // Parks the current query, which a look-up has just answered with `pending`.
  void park(std::uint32_t number) { pending_->waiting.push_back(number); }

  // Asks unless that is under way.  `take` gets what came, stores it in the thing that `known` is
  // part of, and returns the Error that is to be remembered instead, if any.
  // REQUIRES: the thing outlives the question (is_busy()).
  template <class Take>
  void ask(Known& known, const helper::Request& request, Take take) {
    if (known.asking) return;
    known.asking = true;
    const std::int64_t now = loop_.now_us();
    pool_.ask(request, [this, &known, now, take](Result<helper::Reply> reply) {
      settle(known, now, take(std::move(reply)));
    });
  }

  // The answer to a question that is as old as `at_us`, or the Error that is to be remembered, for
  // whoever asks somebody else than the helpers.
  void settle(Known& known, std::int64_t at_us, const Result<void>& taken) {
    known.asking = false;
    known.at_us = at_us;
    known.error.reset();
    if (!taken.ok()) known.error = taken.error();
    wake(known);
  }

  [[nodiscard]] std::int64_t ttl_us() const { return ttl_us_; }

 private:
  void wake(Known& known) {
    // Who is run again may wait for the same thing again, or be the last to need it.
    for (const std::uint32_t number : std::exchange(known.waiting, {})) ready_(number);
  }

  Loop& loop_;
  helper::Pool& pool_;
  std::int64_t ttl_us_;
  Ready ready_;
  std::int64_t asked_at_us_ = 0;
  Known* pending_ = nullptr;
};

}  // namespace qv

#endif  // QV_VERIFY_KNOWN_H_
