// SPDX-License-Identifier: 0BSD
// probe/routes.h - which domains are probed, and whom to ask: control/verifyprobe.
//
//   domain:hops [option...]     that domain
//   .domain:hops [option...]    every domain below it; the longest entry that fits counts
//
// hops: one or more next hops separated by blanks or commas, asked in this order until one can
// answer: `host`, `host:port`, `[address]`, `[address]:port`, each with `lmtp:` in front where it
// speaks LMTP; `lmtp:unix:/path`; or the one word `mx`, the domain's mail exchangers; or nothing,
// what control/smtproutes says.  Options: `backup-mx` (accept while no hop can be reached),
// `tls=no`, `tls=may` (default), `tls=must`.
//
// A domain that no line names is never probed, and no line names all domains.
//
// Pure but for read.  Manual: verifyprobe(5).  Tests: tests/probe/routes_test.cc
#ifndef QV_PROBE_ROUTES_H_
#define QV_PROBE_ROUTES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"
#include "probe/callout.h"

namespace qv {

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
  enum class Kind : std::uint8_t { hosts, mx };
  std::string entry;  // the line's domain; what limits count by
  Kind kind = Kind::mx;
  std::vector<NextHop> hops;  // of Kind::hosts
  bool backup_mx = false;
  TlsUse tls = TlsUse::may;
};

class Routes {
 public:
  // Reads both files; either may be missing.  Every mistake is added to `problems`, the line left
  // out.
  Routes(std::span<const ControlLine> verifyprobe, std::span<const ControlLine> smtproutes,
         std::vector<Problem>& problems);
  Routes() = default;

  // How to probe for a domain (any case); nullopt: it is not to be probed.
  [[nodiscard]] std::optional<Route> find(std::string_view domain) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  enum class From : std::uint8_t { line, smtproutes };
  struct Entry {
    Route route;
    From from = From::line;
  };
  void read_line(const ControlLine& line, std::vector<Problem>& problems);
  void read_smtproute(const ControlLine& line, std::vector<Problem>& problems);
  [[nodiscard]] const NextHop* find_smtproute(std::string_view domain) const;

  std::map<std::string, Entry, std::less<>> entries_;
  // No host: mail goes to the mail exchangers.
  std::map<std::string, NextHop, std::less<>> smtproutes_;
};

// One next hop as it is written; nullopt, with `why`, where it is not one.
[[nodiscard]] std::optional<NextHop> parse_next_hop(std::string_view text, std::string& why);

}  // namespace qv

#endif  // QV_PROBE_ROUTES_H_
