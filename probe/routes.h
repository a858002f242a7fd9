// SPDX-License-Identifier: 0BSD
// probe/routes.h - which domains to probe, whom to ask (control/verifyprobe), and whom never to.
//
//   [.]DOMAIN:[HOP...] [OPTION...]    as verifyprobe(5) has it
//
// A domain without a line is never probed, and no line is for all domains.
//
// Pure, but for the list of interfaces.  Tests: tests/probe/routes_test.cc, own_addresses_test.cc
#ifndef QV_PROBE_ROUTES_H_
#define QV_PROBE_ROUTES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/lines.h"
#include "event/listen.h"
#include "probe/callout.h"

namespace qv::probe {

inline constexpr std::uint16_t kSmtpPort = 25;
inline constexpr std::uint16_t kLmtpPort = 24;

struct NextHop {
  std::string host;  // a name, an address without brackets, or the path of a Unix socket
  bool is_address = false;
  bool lmtp = false;
  std::uint16_t port = kSmtpPort;
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

struct Route {
  std::string entry;          // the line's domain, which has a rate limit
  std::vector<NextHop> hops;  // empty: the mail exchangers
  bool backup_mx = false;
  TlsUse tls = TlsUse::may;
};

class Routes {
 public:
  // Skips lines with a mistake, which are added to `problems`.
  Routes(std::span<const control::ControlLine> verifyprobe,
         std::span<const control::ControlLine> smtproutes, std::vector<control::Problem>& problems);
  Routes() = default;

  // How to probe a domain (any case); nullopt: not at all.
  [[nodiscard]] std::optional<Route> find(std::string_view domain) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Route route;
    bool by_smtproutes = false;  // if they have the domain
  };
  void read_line(const control::ControlLine& line, std::vector<control::Problem>& problems);
  void read_smtproute(const control::ControlLine& line, std::vector<control::Problem>& problems);

  std::map<std::string, Entry, std::less<>> entries_;
  // By domain, "" for all others; a hop without host means the mail exchangers.
  std::map<std::string, NextHop, std::less<>> smtproutes_;
};

// One next hop as a line has it; nullopt: `why` says what is wrong.
[[nodiscard]] std::optional<NextHop> parse_next_hop(std::string_view text, std::string& why);

// Where this host's own SMTP server listens.  A probe to it would ask the server that is asking us.
// The operator names its ports; its addresses are those of this host's interfaces, loopback and the
// unspecified address.
class OwnAddresses {
 public:
  explicit OwnAddresses(std::set<std::uint16_t> ports) : ports_(std::move(ports)) {}

  // Reads the addresses of the interfaces again.
  void refresh();
  // For tests: uses these instead.  Addresses as text, without brackets.
  void set_interfaces(std::set<std::string> addresses) { interfaces_ = std::move(addresses); }

  [[nodiscard]] bool contains(const event::StreamAddress& address) const;

 private:
  std::set<std::uint16_t> ports_;
  std::set<std::string> interfaces_;
};

}  // namespace qv::probe

#endif  // QV_PROBE_ROUTES_H_
