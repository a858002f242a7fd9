// SPDX-License-Identifier: 0BSD
// event/resolver.h - names to mail exchangers and to addresses, without waiting.
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

namespace qv {

class LibeventLoop;

struct MailExchanger {
  std::uint16_t preference = 0;
  std::string host;  // "." says that the domain takes no mail (RFC 7505)
  friend bool operator==(const MailExchanger&, const MailExchanger&) = default;
};

class Resolver {
 public:
  using Exchangers = std::vector<MailExchanger>;
  using Addresses = std::vector<StreamAddress>;

  virtual ~Resolver() = default;

  // The MX records of `domain`, most preferred first; empty: the domain has none, or does not
  // exist.  Error: cannot be told now.  `done` is called from the loop, once, unless the handle is
  // destroyed before; it may destroy the handle.
  [[nodiscard]] virtual Loop::Owned find_exchangers(
      const std::string& domain, std::function<void(Result<Exchangers>)> done) = 0;

  // The addresses of `host` with `port`, IPv6 and IPv4 as the system's rules order them; empty: it
  // does not exist or has none.  As find_exchangers() otherwise.
  [[nodiscard]] virtual Loop::Owned find_addresses(const std::string& host, std::uint16_t port,
                                                   std::function<void(Result<Addresses>)> done) = 0;
};

// Asks the servers of `resolv_conf` (resolv.conf(5)).  Addresses come from libevent's resolver,
// which also reads /etc/hosts; it knows no MX records, so those are asked for here (wire/dns.h).
// REQUIRES: `loop` outlives the resolver, and that its handles.
[[nodiscard]] std::unique_ptr<Resolver> make_resolver(LibeventLoop& loop,
                                                      const std::string& resolv_conf);

}  // namespace qv

#endif  // QV_EVENT_RESOLVER_H_
