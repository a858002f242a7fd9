// SPDX-License-Identifier: 0BSD
// cache/record.h - what the cache remembers about one address, and what that is worth now.
//
// Key: the address in lower case with every ':' replaced by '_'.  The key `@domain`, which is no
// address, has whether the next hop accepts every address of the domain.
//
// Record: `status:probed:updated:text`, decimal, times in seconds since 1970, 0 for none.  A record
// is damaged if both times are 0, if one of the first three fields is not a number, or if its
// status is unknown.  A damaged record counts as absent; its reader reports it.
//
// `updated` != 0: `status` was learnt then.  `probed` != 0: a probe was sent then, and its outcome
// is not in.  Storing an outcome sets `updated` and clears `probed`.
//
// The rules are those of Postfix's verify(8), with two differences.  A temporary answer has a short
// lifetime of its own, never that of a negative one.  A time more than kMaxClockSkew_s in the
// future is not believed: the clock was wrong, and such an entry would never expire.
//
// Pure.  Manual: qmail-probe(8).  Tests: tests/cache/record_test.cc, rules_test.cc, tests/replay/,
// fuzz_probe_record.cc
#ifndef QV_CACHE_RECORD_H_
#define QV_CACHE_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qv::cache {

// The numbers of the verify protocol and of records.
enum class RecipientStatus : std::uint8_t {
  ok = 0,      // the next hop takes mail for it
  defer = 1,   // undecided
  bounce = 2,  // the next hop says there is no such recipient
  todo = 3,    // being probed
};

inline constexpr std::size_t kMaxCacheText = 400;  // bytes of text in a record
inline constexpr std::size_t kMaxCacheKey = 500;   // bytes; no SMTP command has a longer address

struct CacheRecord {
  RecipientStatus status = RecipientStatus::todo;
  std::int64_t probed = 0;   // when a probe was sent whose outcome is not known; 0: none is out
  std::int64_t updated = 0;  // when `status` became known; 0: never
  std::string text;          // what the next hop said, printable ASCII

  friend bool operator==(const CacheRecord&, const CacheRecord&) = default;
};

enum class RecordForm : std::uint8_t { whole, damaged };

// damaged: `out` is untouched.
[[nodiscard]] RecordForm parse_record(std::string_view bytes, CacheRecord& out);

// Encodes the text as safe_text().  REQUIRES: one of the times is not 0, and none is negative.
[[nodiscard]] std::string encode_record(const CacheRecord& record);

// False, `out` untouched: no status has this number.
[[nodiscard]] bool status_from_number(std::uint64_t number, RecipientStatus& out);

// "ok", "defer", "bounce", "todo".
[[nodiscard]] std::string_view status_name(RecipientStatus status);

// The key of an address.  The second form overwrites `key` and so reuses its memory.
[[nodiscard]] std::string cache_key(std::string_view address);
void cache_key(std::string_view address, std::string& key);

// Fit for a store, a line of a listing and an SMTP command: has an '@', no control characters, and
// at most kMaxCacheKey bytes.
[[nodiscard]] bool is_cache_key(std::string_view key);

// "@domain" as a key.
[[nodiscard]] std::string domain_key(std::string_view domain);

// The part after the last '@'; empty if there is none.
[[nodiscard]] std::string_view domain_of(std::string_view address);

// The first kMaxCacheText bytes, with '?' for every byte that is not printable ASCII: fit for a
// record, a log line and an SMTP reply.
[[nodiscard]] std::string safe_text(std::string_view text);

// ---- what a record is worth: pure functions of (record, now, times)

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

// The record to store when a probe is sent: the old answer if it has not expired, else none, with
// `probed` set to now.  nullopt: leave the store as it is.  There is no old answer, and without
// negative_cache unknown addresses must not fill the store.
[[nodiscard]] std::optional<CacheRecord> record_probe(const CacheRecord* old, std::int64_t now,
                                                      const CacheTimes& times);

// The record to store when an outcome is in.  nullopt: leave the store as it is.  A failed probe
// never overwrites an ok that has not expired, and without negative_cache only ok is stored.
// REQUIRES: status is not todo.
[[nodiscard]] std::optional<CacheRecord> record_outcome(const CacheRecord* old,
                                                        RecipientStatus status,
                                                        std::string_view text, std::int64_t now,
                                                        const CacheTimes& times);

// Whether a next hop accepts every address of a domain.  The domain's record is ok if a random
// recipient was accepted, bounce if one was refused; it lasts times.accept_all.
enum class AcceptAll : std::uint8_t { unknown, no, yes };
[[nodiscard]] AcceptAll judge_domain(const CacheRecord* record, std::int64_t now,
                                     const CacheTimes& times);

// The state of the entry at `key`, of an address or a domain; a domain's is fresh or lost.  A
// clean-up removes what is absent or lost.
[[nodiscard]] EntryState state_of(std::string_view key, const CacheRecord& record, std::int64_t now,
                                  const CacheTimes& times);

}  // namespace qv::cache

#endif  // QV_CACHE_RECORD_H_
