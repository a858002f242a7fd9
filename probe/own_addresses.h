// SPDX-License-Identifier: 0BSD
// probe/own_addresses.h - where this host's own SMTP server listens.
//
// A probe to it would ask the server that is asking us.  The operator names its ports; its
// addresses are those of this host's interfaces, loopback and the unspecified address.
//
// Threads: none.  Tests: tests/probe/own_addresses_test.cc
#ifndef QV_PROBE_OWN_ADDRESSES_H_
#define QV_PROBE_OWN_ADDRESSES_H_

#include <cstdint>
#include <set>
#include <string>

#include "event/listen.h"

namespace qv {

class OwnAddresses {
 public:
  explicit OwnAddresses(std::set<std::uint16_t> ports) : ports_(std::move(ports)) {}

  // Reads the addresses of the interfaces again.
  void refresh();
  // For tests: uses these instead.  Addresses as text, without brackets.
  void set_interfaces(std::set<std::string> addresses) { interfaces_ = std::move(addresses); }

  [[nodiscard]] bool contains(const StreamAddress& address) const;

 private:
  std::set<std::uint16_t> ports_;
  std::set<std::string> interfaces_;
};

}  // namespace qv

#endif  // QV_PROBE_OWN_ADDRESSES_H_
