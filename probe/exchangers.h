// SPDX-License-Identifier: 0BSD
// probe/exchangers.h - a domain's mail exchangers, without waiting.
//
// libevent's resolver knows no MX records, so they are asked for here (wire/dns.h): by UDP, with a
// fresh socket and id each time, and by TCP where the reply does not fit.
//
// Threads: none.  Blocking: never.  Tests: tests/event/resolver_test.cc
#ifndef QV_PROBE_EXCHANGERS_H_
#define QV_PROBE_EXCHANGERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "event/loop.h"

namespace qv {

struct MailExchanger {
  std::uint16_t preference = 0;
  std::string host;  // "." says that the domain takes no mail (RFC 7505)
  friend bool operator==(const MailExchanger&, const MailExchanger&) = default;
};

class ExchangerLookup {
 public:
  using Exchangers = std::vector<MailExchanger>;

  virtual ~ExchangerLookup() = default;

  // The MX records of `domain`, most preferred first; empty: the domain has none, or does not
  // exist.  Error: cannot be told now.  `done` is called from the loop, once, unless the handle is
  // destroyed before; it may destroy the handle.
  [[nodiscard]] virtual Loop::Owned find_exchangers(
      const std::string& domain, std::function<void(Result<Exchangers>)> done) = 0;
};

// Asks the servers of `resolv_conf` (resolv.conf(5)).  REQUIRES: `loop` outlives it and its
// handles, and it its handles.
[[nodiscard]] std::unique_ptr<ExchangerLookup> make_exchanger_lookup(
    Loop& loop, const std::string& resolv_conf);

}  // namespace qv

#endif  // QV_PROBE_EXCHANGERS_H_
