// SPDX-License-Identifier: 0BSD
// probe/own_addresses.h - where this host's own SMTP server listens: nobody to ask.
//
// A probe to ourselves would ask the server that is asking us.  Ours are the ports the operator
// names, on every address of this host's interfaces, on loopback and on the unspecified address.
//
// Threads: none.  Tests: tests/probe/own_addresses_test.cc
#ifndef QV_PROBE_OWN_ADDRESSES_H_
#define QV_PROBE_OWN_ADDRESSES_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "event/listen.h"

namespace qv {

class OwnAddresses {
 public:
  explicit OwnAddresses(std::set<std::uint16_t> ports) : ports_(std::move(ports)) {}

  // Asks the system for the addresses of its interfaces again.
  void refresh();
  // For tests: these instead.  Addresses as text, without brackets.
  void set_interfaces(std::set<std::string> addresses) { interfaces_ = std::move(addresses); }

  [[nodiscard]] bool contains(const StreamAddress& address) const;

 private:
  std::set<std::uint16_t> ports_;
  std::set<std::string> interfaces_;
};

}  // namespace qv

#endif  // QV_PROBE_OWN_ADDRESSES_H_
