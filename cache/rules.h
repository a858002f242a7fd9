// SPDX-License-Identifier: 0BSD
// cache/rules.h - what a remembered record is worth now: pure functions of (record, now, times).
//
// The rules are those of Postfix's verify(8), with two differences: a temporary answer is believed
// for a short time of its own and never with the times of a negative one, and a time that lies in
// the future by more than kMaxClockSkew_s is not believed at all (a clock was wrong; such an entry
// would not expire).
//
//   Two times belong to a record.  `updated` != 0 means that `status` was learnt then; `probed` !=
//   0 means that a probe was sent then and its outcome is not in.  Never are both 0.
//   Every outcome that is stored sets `updated` and clears `probed`.
//
// Pure: no clock, no I/O.
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

// How long things are believed, in seconds.  Each name is the setting of that name.
struct CacheTimes {
  std::int64_t positive_expire = 31 * kDay_s;
  std::int64_t positive_refresh = 7 * kDay_s;
  std::int64_t negative_expire = 3 * kDay_s;
  std::int64_t negative_refresh = 3 * kHour_s;
  std::int64_t defer_hold = 5 * kMinute_s;  // a temporary answer
  std::int64_t probe_lost = 1000;           // without an outcome by then a probe counts as lost
  std::int64_t accept_all = kDay_s;         // whether a domain takes every address
  bool negative_cache = true;               // false: only positive answers are remembered
};

// What a record is at a moment.  "age" is now - updated, and the limits belong to the second the
// entry is that old: an entry `expire` seconds old is not expired yet.
//
//   state      | status | age                | answered | a probe is needed
//   -----------+--------+--------------------+----------+---------------------------------------
//   absent     | no record, a damaged one, a time in the future | todo | yes
//   pending    | any    | expired or never   | todo     | no: one was sent at most probe_lost ago
//   lost       | any    | expired or never   | todo     | yes: none was sent, or it was lost
//   fresh      | ok     | <= refresh         | status   | no
//              | bounce |                    |          |
//   stale      | ok     | <= expire          | status   | unless one was sent at most probe_lost
//              | bounce |                    |          | ago
//   held       | defer  | <= defer_hold      | defer    | no
//
// With negative_cache off a bounce or defer in a store is not believed: it is `lost`, or `pending`.
enum class EntryState : std::uint8_t { absent, pending, lost, fresh, stale, held };

struct Judgement {
  EntryState state = EntryState::absent;
  RecipientStatus answer = RecipientStatus::todo;
  enum class Probe : std::uint8_t { not_needed, needed } probe = Probe::needed;
};

// REQUIRES: now > 0.  `record` null: there is none.
[[nodiscard]] Judgement judge(const CacheRecord* record, std::int64_t now, const CacheTimes& times);

// What to put into the store when a probe goes out: the old answer while it is still worth
// something, else none, with `probed` set to now.  ignore: the store stays as it is (negative
// caching is off and there is no old answer: unknown addresses must not fill the store).
enum class Storing : std::uint8_t { store, ignore };
[[nodiscard]] Storing record_probe(const CacheRecord* old, std::int64_t now,
                                   const CacheTimes& times, CacheRecord& out);

// What to put into the store when an outcome comes in.  ignore: a failed probe does not overwrite
// an ok that has not expired, and with negative caching off only ok is stored.
// REQUIRES: status is not todo.
[[nodiscard]] Storing record_outcome(const CacheRecord* old, RecipientStatus status,
                                     std::string_view text, std::int64_t now,
                                     const CacheTimes& times, CacheRecord& out);

// For the clean-up: expired says that judge() would answer todo and no outcome is awaited.
enum class Age : std::uint8_t { current, expired };
[[nodiscard]] Age age_of(const CacheRecord& record, std::int64_t now, const CacheTimes& times);

// What is known about a domain: its record (domain_key) is ok where a random recipient was taken,
// bounce where one was refused, and is believed for times.accept_all.
enum class AcceptAll : std::uint8_t { unknown, no, yes };
[[nodiscard]] AcceptAll judge_domain(const CacheRecord* record, std::int64_t now,
                                     const CacheTimes& times);

}  // namespace qv

#endif  // QV_CACHE_RULES_H_
