// SPDX-License-Identifier: 0BSD
// proxymap/counters.h - what the proxy counts since its start, named once.
#ifndef QV_PROXYMAP_COUNTERS_H_
#define QV_PROXYMAP_COUNTERS_H_

#include <cstdint>

#include "process/counters.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

struct Counters {
  std::uint64_t opens = 0;
  std::uint64_t lookups = 0;
  std::uint64_t updates = 0;
  std::uint64_t deletes = 0;
  std::uint64_t sequences = 0;
  std::uint64_t ok = 0;
  std::uint64_t no_key = 0;
  std::uint64_t retry = 0;
  std::uint64_t bad = 0;
  std::uint64_t deny = 0;
  std::uint64_t config = 0;
  std::uint64_t cache_hits = 0;
  std::uint64_t to_workers = 0;

  void count(Operation operation);
  void count(Status status);
};

// All of them, in a fixed order.
inline constexpr CounterName<Counters> kCounterNames[] = {
    {"opens", &Counters::opens, "open requests"},
    {"lookups", &Counters::lookups, "lookup requests"},
    {"updates", &Counters::updates, "update requests"},
    {"deletes", &Counters::deletes, "delete requests"},
    {"sequences", &Counters::sequences, "sequence requests"},
    {"ok", &Counters::ok, "requests answered: done, or found"},
    {"no_key", &Counters::no_key, "requests answered: no such key"},
    {"retry", &Counters::retry, "requests answered: cannot tell now"},
    {"bad", &Counters::bad, "messages that made no sense"},
    {"deny", &Counters::deny, "requests answered: not approved"},
    {"config", &Counters::config, "requests answered: not before the operator has acted"},
    {"cache_hits", &Counters::cache_hits, "look-ups answered from a kept answer"},
    {"to_workers", &Counters::to_workers, "requests given to a worker"},
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_COUNTERS_H_
