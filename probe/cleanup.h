// SPDX-License-Identifier: 0BSD
// probe/cleanup.h - takes out of the store what has expired, a little at a time.
//
// Threads: none.  Blocking: never longer than kBatch records take.  Tests: tests/replay/
#ifndef QV_PROBE_CLEANUP_H_
#define QV_PROBE_CLEANUP_H_

#include <cstdint>
#include <functional>
#include <string>

#include "cache/rules.h"
#include "cache/store.h"
#include "event/loop.h"
#include "probe/report.h"

namespace qv {

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

#endif  // QV_PROBE_CLEANUP_H_
