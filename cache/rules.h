// SPDX-License-Identifier: 0BSD
// cache/rules.h - what a record is worth now: pure functions of (record, now, times).
//
// The rules are those of Postfix's verify(8), with two differences.  A temporary answer has a short
// lifetime of its own, never that of a negative one.  A time more than kMaxClockSkew_s in the
// future is not believed: the clock was wrong, and such an entry would never expire.
//
// `updated` != 0: `status` was learnt then.  `probed` != 0: a probe was sent then, and its outcome
// is not in.  One of them is always set.  Storing an outcome sets `updated` and clears `probed`.
//
// Manual: qmail-probe(8).  Tests: tests/cache/rules_test.cc, tests/replay/
#ifndef QV_CACHE_RULES_H_
#define QV_CACHE_RULES_H_

#include <cstdint>

#include "cache/record.h"

namespace qv {

inline constexpr std::int64_t kMinute_s = 60;
inline constexpr std::int64_t kHour_s = 60 * kMinute_s;
inline constexpr std::int64_t kDay_s = 24 * kHour_s;
inline constexpr std::int64_t kMaxClockSkew_s = 1000;

// Lifetimes in seconds, named as the settings.
struct CacheTimes {
  std::int64_t positive_expire = 31 * kDay_s;
  std::int64_t positive_refresh = 7 * kDay_s;
  std::int64_t negative_expire = 3 * kDay_s;
  std::int64_t negative_refresh = 3 * kHour_s;
  std::int64_t defer_hold = 5 * kMinute_s;  // a temporary answer
  std::int64_t probe_lost = 1000;           // a probe without an outcome by then is lost
  std::int64_t accept_all = kDay_s;         // whether a domain accepts every address
  bool negative_cache = true;               // false: only positive answers are stored
};

// The state of a record.  Age is now - updated.  Limits are inclusive: an entry `expire` seconds
// old has not expired yet.
//
//   state      | status     | age              | answer | probe needed
//   -----------+------------+------------------+--------+-----------------------------------
//   absent     | no record, a damaged one, or a time in the future | todo | yes
//   pending    | any        | expired or never | todo   | no: one was sent <= probe_lost ago
//   lost       | any        | expired or never | todo   | yes: none was sent, or it was lost
//   fresh      | ok, bounce | <= refresh       | status | no
//   stale      | ok, bounce | <= expire        | status | unless sent <= probe_lost ago
//   held       | defer      | <= defer_hold    | defer  | no
//
// Without negative_cache a stored bounce or defer is not believed: it is `lost` or `pending`.
enum class EntryState : std::uint8_t { absent, pending, lost, fresh, stale, held };

struct Judgement {
  EntryState state = EntryState::absent;
  RecipientStatus answer = RecipientStatus::todo;
  enum class Probe : std::uint8_t { not_needed, needed } probe = Probe::needed;
};

// REQUIRES: now > 0.  `record` null: there is none.
[[nodiscard]] Judgement judge(const CacheRecord* record, std::int64_t now, const CacheTimes& times);

// Makes `out` the record to store when a probe is sent: the old answer if it has not expired, else
// none, with `probed` set to now.  ignore: leave the store as it is.  There is no old answer, and
// without negative_cache unknown addresses must not fill the store.
enum class Storing : std::uint8_t { store, ignore };
[[nodiscard]] Storing record_probe(const CacheRecord* old, std::int64_t now,
                                   const CacheTimes& times, CacheRecord& out);

// Makes `out` the record to store when an outcome is in.  ignore: leave the store as it is.  A
// failed probe never overwrites an ok that has not expired, and without negative_cache only ok is
// stored.  REQUIRES: status is not todo.
[[nodiscard]] Storing record_outcome(const CacheRecord* old, RecipientStatus status,
                                     std::string_view text, std::int64_t now,
                                     const CacheTimes& times, CacheRecord& out);

// Whether a next hop accepts every address of a domain.  The domain's record is ok if a random
// recipient was accepted, bounce if one was refused; it lasts times.accept_all.
enum class AcceptAll : std::uint8_t { unknown, no, yes };
[[nodiscard]] AcceptAll judge_domain(const CacheRecord* record, std::int64_t now,
                                     const CacheTimes& times);

// The state of the entry at `key`, of an address or a domain; a domain's is fresh or lost.  A
// clean-up removes what is absent or lost.
[[nodiscard]] EntryState state_of(std::string_view key, const CacheRecord& record, std::int64_t now,
                                  const CacheTimes& times);

}  // namespace qv

#endif  // QV_CACHE_RULES_H_
