// SPDX-License-Identifier: 0BSD
// probe/records.h - the records as the service sees them: its own store, or one shared by a fleet.
//
// Every call answers by callback, so that a store behind a network fits; the one of this host
// answers before the call returns.
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

namespace qv {

struct ReportField {
  std::string_view key;
  std::string_view value;  // any bytes; empty: the field is left out
};

// A word and its fields: `probe address=a@x status=ok`.
using Report = std::function<void(std::string_view word, std::initializer_list<ReportField>)>;

class Records {
 public:
  using Found = std::function<void(Result<std::optional<CacheRecord>>)>;
  enum class Lease : std::uint8_t {
    granted,  // it is for us to probe
    held,     // another host is at it
    none,     // cannot be told: do not probe
  };
  using Leased = std::function<void(Lease)>;

  virtual ~Records() = default;
  Records() = default;
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  // The record, where it can be had at once and without a word; `record` keeps its memory.
  // not_known: find() says the rest.
  enum class Peek : std::uint8_t { known, not_known };
  [[nodiscard]] virtual Peek peek(const std::string& /*key*/, CacheRecord& /*record*/) {
    return Peek::not_known;
  }
  // nullopt: there is none, or a damaged one (which is reported).
  virtual void find(const std::string& key, Found found) = 0;
  // Asks for the right to probe for `key`, for at most `seconds`.
  virtual void lease(const std::string& key, std::int64_t seconds, Leased leased) = 0;
  // `done`: everything told before is in force for all hosts, or Redis does not answer.
  virtual void end_lease(const std::string& key, std::function<void()> done) = 0;
  // What cannot be stored is reported, and lost: it is a cache.  `seconds`: of use for so long.
  virtual void store(const std::string& key, const CacheRecord& record, std::int64_t seconds) = 0;
  virtual void erase(const std::string& key) = 0;
  // Erases what other hosts see of an address, a domain or (--all) everything; this host's own
  // store is the caller's to purge.
  virtual void purge(std::string_view /*what*/) {}
};

// Counted since the start.
struct RecordCounters {
  std::uint64_t damaged = 0;
  std::uint64_t failures = 0;  // of the store
};

// The records of this host's own store.
class LocalRecords final : public Records {
 public:
  // `started`: now, in seconds since 1970; a probe sent before that has died with its process.
  // REQUIRES: `store` outlives this object.
  LocalRecords(CacheStore& store, std::int64_t started, Report report)
      : store_(store), started_(started), report_(std::move(report)) {}

  [[nodiscard]] Peek peek(const std::string& key, CacheRecord& record) override;
  void find(const std::string& key, Found found) override;
  void lease(const std::string& key, std::int64_t seconds, Leased leased) override;
  void end_lease(const std::string& /*key*/, std::function<void()> done) override { done(); }
  void store(const std::string& key, const CacheRecord& record, std::int64_t seconds) override;
  void erase(const std::string& key) override;

  [[nodiscard]] const RecordCounters& counters() const { return counters_; }

 private:
  void note_failure(const Error& error);

  CacheStore& store_;
  std::int64_t started_;
  Report report_;
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
