// SPDX-License-Identifier: 0BSD
// event/resolver.h - addresses of host names, asynchronously.
//
// Threads: none.  Blocking: never.  Tests: tests/event/resolver_test.cc
#ifndef QV_EVENT_RESOLVER_H_
#define QV_EVENT_RESOLVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "event/listen.h"
#include "event/loop.h"

namespace qv::event {

class LibeventLoop;

using Addresses = std::vector<StreamAddress>;
using AddressesFound = std::function<void(Result<Addresses>)>;

// Finds the addresses of `host` with `port`, IPv6 and IPv4 in the order of the system's rules;
// empty: the host does not exist or has none.  Error: undecided now.  Calls `done` once, from the
// loop, unless the handle is destroyed before; it may destroy the handle.
using Resolver =
    std::function<Loop::Owned(const std::string& host, std::uint16_t port, AddressesFound done)>;

// libevent's resolver: /etc/hosts, then the servers of `resolv_conf` (resolv.conf(5)).
// REQUIRES: `loop` outlives the resolver, and the resolver its handles.
[[nodiscard]] Resolver make_resolver(LibeventLoop& loop, const std::string& resolv_conf);

// The name servers of `resolv_conf`, in its order, as libevent reads it; 127.0.0.1 where it names
// none.
[[nodiscard]] std::vector<StreamAddress> name_servers(LibeventLoop& loop,
                                                      const std::string& resolv_conf);

}  // namespace qv::event

#endif  // QV_EVENT_RESOLVER_H_
