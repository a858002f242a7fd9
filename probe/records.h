// SPDX-License-Identifier: 0BSD
// probe/records.h - the records as the service sees them: a store of this host, or one Redis that
// several hosts share.
//
//   qv:probe:KEY     the record's bytes, with its lifetime (EX)
//   qv:lease:KEY     the token of the process that probes for KEY; only that process deletes it
//
// Every call answers by callback, because Redis is behind a network; the store of this host answers
// before the call returns.  What is read from Redis or written there is stored here too.  While
// Redis does not answer, this store does, and nothing is probed: another host may be probing.
//
// Threads: none.  Tests: tests/probe/replay_test.cc, tests/replay/, tests/e2e/probe.py
#ifndef QV_PROBE_RECORDS_H_
#define QV_PROBE_RECORDS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/record.h"
#include "cache/store.h"
#include "event/loop.h"
#include "event/redis_client.h"
#include "process/log.h"

namespace qv::probe {

using Report = std::function<void(process::LogLine&)>;

// Counted since the start.
struct RecordCounters {
  std::uint64_t damaged = 0;
  std::uint64_t failures = 0;  // of the store
};

class Records {
 public:
  using Entry = std::optional<cache::CacheRecord>;
  using Found = std::function<void(const Result<Entry>&)>;
  enum class Lease : std::uint8_t {
    granted,  // this process may probe
    held,     // another host is probing
    none,     // undecided: do not probe
  };
  using Leased = std::function<void(Lease)>;
  using Then = std::function<void()>;

  // The hosts that share their records.
  struct Fleet {
    event::RedisClient& redis;
    std::string token;         // of this process
    std::int64_t lease_s = 0;  // longer than a probe takes
  };

  // `started`: now, in seconds since 1970; probes that were sent before died with their process.
  // Without `fleet` there is only this host's store.  REQUIRES: `store` and the fleet's client
  // outlive this object.
  Records(cache::CacheStore& store, std::int64_t started, Report report,
          std::optional<Fleet> fleet = {})
      : store_(store), started_(started), report_(std::move(report)), fleet_(std::move(fleet)) {}

  // True: `record` is the record, which has an answer; its memory is reused.  False: ask find(),
  // which also reports and counts what is wrong.
  [[nodiscard]] bool find_at_once(const std::string& key, cache::CacheRecord& record);
  // nullopt: there is none, or a damaged one (which is reported).
  void find(const std::string& key, const Found& found);
  // Asks for the right to probe for `key`.
  void lease(const std::string& key, Leased leased);
  // `done`: all hosts see every change made before, or Redis does not answer.
  void end_lease(const std::string& key, Then done);
  // Failures are reported, and the record is lost: it is a cache.  `seconds`: its lifetime.
  void store(const std::string& key, const cache::CacheRecord& record, std::int64_t seconds);
  void erase(const std::string& key);
  // Erases an address, a domain or (--all) everything in Redis; not in the store of this host.
  void purge(std::string_view what);

  [[nodiscard]] const RecordCounters& counters() const { return counters_; }

 private:
  using Replied = std::function<void(const event::RedisReply*)>;

  [[nodiscard]] Result<Entry> find_here(const std::string& key);
  void store_here(const std::string& key, const cache::CacheRecord& record);
  [[nodiscard]] Entry parse(const std::string& key, const std::string& bytes);
  void record_failure(const Error& error);
  // Null: no answer.
  void ask_redis(const std::vector<std::string>& words, Replied replied = {});
  void purge_matching(const std::string& pattern, const std::string& cursor);

  cache::CacheStore& store_;
  std::int64_t started_;
  Report report_;
  std::optional<Fleet> fleet_;
  bool redis_is_down_ = false;
  RecordCounters counters_;
  std::string value_;  // reused memory
};

// Removes expired entries from a store, in batches between which the loop turns.
class CacheCleanup {
 public:
  static constexpr std::size_t kBatch = 1000;

  // Runs every `interval_s`; 0: only after begin().  `clock`: seconds since 1970.
  // REQUIRES: `loop` and `store` outlive this object.
  CacheCleanup(event::Loop& loop, cache::CacheStore& store, std::function<std::int64_t()> clock,
               const cache::CacheTimes& times, std::int64_t interval_s, Report report);

  // Begins now, unless it is under way.
  void begin();

 private:
  void step();

  event::Loop& loop_;
  cache::CacheStore& store_;
  std::function<std::int64_t()> clock_;
  const cache::CacheTimes times_;
  Report report_;
  std::string after_;
  std::uint64_t kept_ = 0;
  std::uint64_t dropped_ = 0;
  event::Loop::Owned every_;
  event::Loop::Owned step_;
};

}  // namespace qv::probe

#endif  // QV_PROBE_RECORDS_H_
