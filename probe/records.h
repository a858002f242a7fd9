// SPDX-License-Identifier: 0BSD
// probe/records.h - the records as the service sees them: its own store, or one shared by a fleet
// of hosts in one Redis.
//
//   qv:probe:KEY     the record's bytes, for as long as they are of use (EX)
//   qv:lease:KEY     who probes for KEY now; only the one who set it takes it away
//
// Every call answers by callback, because Redis is behind a network; the store of this host answers
// before the call returns.  What is read from Redis and written there is kept in it too.  When
// Redis does not answer that is what is asked, and nothing is probed: who else may be at it cannot
// be told.
//
// Threads: none.  Tests: tests/probe/replay_test.cc, tests/replay/, tests/e2e/probe.py
#ifndef QV_PROBE_RECORDS_H_
#define QV_PROBE_RECORDS_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "cache/rules.h"
#include "cache/store.h"
#include "event/loop.h"
#include "event/redis_client.h"

namespace qv {

struct ReportField {
  std::string_view key;
  std::string_view value;  // any bytes; empty: the field is left out
};

// A word and its fields: `probe address=a@x status=ok`.
using Report = std::function<void(std::string_view word, std::initializer_list<ReportField>)>;

// Counted since the start.
struct RecordCounters {
  std::uint64_t damaged = 0;
  std::uint64_t failures = 0;  // of the store
};

class Records {
 public:
  using Found = std::function<void(Result<std::optional<CacheRecord>>)>;
  enum class Lease : std::uint8_t {
    granted,  // it is for us to probe
    held,     // another host is at it
    none,     // cannot be told: do not probe
  };
  using Leased = std::function<void(Lease)>;

  // The hosts that share what they find out.
  struct Fleet {
    RedisClient& redis;
    std::string token;         // what tells this process from others
    std::int64_t lease_s = 0;  // longer than a probe takes
  };

  // `started`: now, in seconds since 1970; a probe of ours sent before that has died with its
  // process.  Without `fleet` this host's own store is all there is.  REQUIRES: `store` and the
  // fleet's client outlive this object.
  Records(CacheStore& store, std::int64_t started, Report report, std::optional<Fleet> fleet = {})
      : store_(store), started_(started), report_(std::move(report)), fleet_(std::move(fleet)) {}

  // The record, where it can be had at once and without a word; `record` keeps its memory.
  // not_known: find() says the rest.
  enum class Peek : std::uint8_t { known, not_known };
  [[nodiscard]] Peek peek(const std::string& key, CacheRecord& record);
  // nullopt: there is none, or a damaged one (which is reported).
  void find(const std::string& key, Found found);
  // Asks for the right to probe for `key`.
  void lease(const std::string& key, Leased leased);
  // `done`: everything told before is in force for all hosts, or Redis does not answer.
  void end_lease(const std::string& key, std::function<void()> done);
  // What cannot be stored is reported, and lost: it is a cache.  `seconds`: of use for so long.
  void store(const std::string& key, const CacheRecord& record, std::int64_t seconds);
  void erase(const std::string& key);
  // Erases what other hosts see of an address, a domain or (--all) everything; this host's own
  // store is the caller's to purge.
  void purge(std::string_view what);

  [[nodiscard]] const RecordCounters& counters() const { return counters_; }

 private:
  [[nodiscard]] Result<std::optional<CacheRecord>> find_here(const std::string& key);
  void store_here(const std::string& key, const CacheRecord& record);
  [[nodiscard]] RecordForm parse(const std::string& key, const std::string& bytes,
                                 CacheRecord& record);
  void note_failure(const Error& error);
  void note(const Result<RedisReply>& reply);
  void purge_matching(const std::string& pattern, const std::string& cursor);

  CacheStore& store_;
  std::int64_t started_;
  Report report_;
  std::optional<Fleet> fleet_;
  bool redis_is_down_ = false;
  RecordCounters counters_;
  std::string value_;  // kept for its memory
};

// Takes out of the store what has expired, never longer at a time than kBatch records take.
class CacheCleanup {
 public:
  static constexpr std::size_t kBatch = 1000;

  // Walks through the store every `interval_s`; 0: never by itself.  `clock`: seconds since 1970.
  // REQUIRES: `loop` and `store` outlive this object.
  CacheCleanup(Loop& loop, CacheStore& store, std::function<std::int64_t()> clock,
               const CacheTimes& times, std::int64_t interval_s, Report report);

  // Begins now, unless it is under way.
  void begin();

 private:
  void step();
  [[nodiscard]] bool is_expired(std::string_view key, std::string_view record) const;

  Loop& loop_;
  CacheStore& store_;
  std::function<std::int64_t()> clock_;
  const CacheTimes times_;
  Report report_;
  std::string after_;
  std::uint64_t kept_ = 0;
  std::uint64_t dropped_ = 0;
  Loop::Owned every_;
  Loop::Owned step_;
};

}  // namespace qv

#endif  // QV_PROBE_RECORDS_H_
