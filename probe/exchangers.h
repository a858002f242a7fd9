// SPDX-License-Identifier: 0BSD
// probe/exchangers.h - a domain's mail exchangers, without waiting.
//
// libevent's resolver does not ask for MX records.  This one does (wire/dns.h): by UDP, with a new
// socket and id for each try, and by TCP if the reply does not fit.
//
// Threads: none.  Blocking: never.  Tests: tests/event/resolver_test.cc
#ifndef QV_PROBE_EXCHANGERS_H_
#define QV_PROBE_EXCHANGERS_H_

#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "event/loop.h"
#include "wire/dns.h"

namespace qv::event {
class LibeventLoop;
}

namespace qv::probe {

using Exchangers = std::vector<wire::dns::Mx>;
using ExchangersFound = std::function<void(Result<Exchangers>)>;

// Finds the MX records of `domain`, most preferred first; empty: the domain has none, or does not
// exist.  Error: undecided.  Calls `done` once, from the loop, unless the handle is destroyed
// before; it may destroy the handle.
using ExchangerLookup =
    std::function<event::Loop::Owned(const std::string& domain, ExchangersFound done)>;

// Asks the servers of `resolv_conf` (resolv.conf(5)).  REQUIRES: `loop` outlives it and its
// handles.
[[nodiscard]] ExchangerLookup make_exchanger_lookup(event::LibeventLoop& loop,
                                                    const std::string& resolv_conf);

}  // namespace qv::probe

#endif  // QV_PROBE_EXCHANGERS_H_
