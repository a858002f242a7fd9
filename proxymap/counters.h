// SPDX-License-Identifier: 0BSD
// proxymap/counters.h - what the proxy counts since its start, named once.
#ifndef QV_PROXYMAP_COUNTERS_H_
#define QV_PROXYMAP_COUNTERS_H_

#include <cstdint>

#include "process/counters.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

struct Counters : CounterList {
  CounterArray<Operation, 5> requests{{{*this, "opens", "open requests"},
                                       {*this, "lookups", "lookup requests"},
                                       {*this, "updates", "update requests"},
                                       {*this, "deletes", "delete requests"},
                                       {*this, "sequences", "sequence requests"}}};
  CounterArray<Status, 6> replies{
      {{*this, "ok", "requests answered: done, or found"},
       {*this, "no_key", "requests answered: no such key"},
       {*this, "retry", "requests answered: cannot tell now"},
       {*this, "bad", "messages that made no sense"},
       {*this, "deny", "requests answered: not approved"},
       {*this, "config", "requests answered: not before the operator has acted"}}};
  Counter cache_hits{*this, "cache_hits", "look-ups answered from a kept answer"};
  Counter to_workers{*this, "to_workers", "requests given to a worker"};
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_COUNTERS_H_
