// SPDX-License-Identifier: 0BSD
#include "probe/routes.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "control/verifyprobe.h"
#include "core/text.h"

namespace qv::probe {

namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = ascii_lower(c);
  return out;
}

bool is_ip(int family, const std::string& s) {
  in6_addr address{};
  return inet_pton(family, s.c_str(), &address) == 1;
}

// Cuts `[...]`, or the host before the first colon, from the beginning of `rest`.
bool parse_host(std::string_view& rest, NextHop& hop, std::string& why) {
  if (!starts_with(rest, "[")) {
    hop.host = lower(first_bytes(rest, find_byte(rest, ':')));
    rest = after_bytes(rest, hop.host.size());
    hop.is_address = is_ip(AF_INET, hop.host);
    if (control::is_host_name(hop.host)) return true;
    why = "not a host name; an IPv6 address stands in brackets";
    return false;
  }
  const std::size_t end = find_byte(rest, ']');
  hop.host = lower(first_bytes(after_bytes(rest, 1), end - 1));
  hop.is_address = true;
  if (end == rest.size() || (!is_ip(AF_INET, hop.host) && !is_ip(AF_INET6, hop.host))) {
    why = "not an address in brackets";
    return false;
  }
  rest = after_bytes(rest, end + 1);
  return true;
}

// Finds a name, else its longest suffix that begins with a dot.
template <class Map>
auto find_suffix(const Map& map, std::string_view domain) {
  auto hit = map.find(domain);
  for (std::size_t i = 1; hit == map.end() && i < domain.size(); ++i) {
    if (domain[i] == '.') hit = map.find(after_bytes(domain, i));
  }
  return hit;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_blank(text[i]) && text[i] != ',') continue;
    if (i > begin) words.push_back(first_bytes(after_bytes(text, begin), i - begin));
    begin = i + 1;
  }
  return words;
}

bool parse_option(std::string_view word, Route& route) {
  constexpr std::pair<std::string_view, TlsUse> kTls[] = {
      {"tls=no", TlsUse::never}, {"tls=may", TlsUse::may}, {"tls=must", TlsUse::must}};
  for (const auto& [name, use] : kTls) {
    if (word != name) continue;
    route.tls = use;
    return true;
  }
  if (word == "backup-mx") route.backup_mx = true;
  return word == "backup-mx";
}

struct Place {
  std::string address;  // ::ffff:192.0.2.1 as 192.0.2.1; empty: neither IPv4 nor IPv6
  std::uint16_t port = 0;
};

Place place_of(const sockaddr* address) {
  char host[NI_MAXHOST] = "";
  char port[NI_MAXSERV] = "";
  const bool ipv4 = address->sa_family == AF_INET;
  if (!ipv4 && address->sa_family != AF_INET6) return {};
  const socklen_t size = ipv4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (getnameinfo(address, size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  std::string_view text = host;
  text = first_bytes(text, find_byte(text, '%'));  // the scope of a link-local address
  constexpr std::string_view kMapped = "::ffff:";
  const bool mapped = starts_with(text, kMapped) && find_byte(text, '.') < text.size();
  return {std::string(mapped ? after_bytes(text, kMapped.size()) : text),
          static_cast<std::uint16_t>(atoi(port))};
}

}  // namespace

std::optional<NextHop> parse_next_hop(std::string_view text, std::string& why) {
  NextHop hop;
  if (starts_with(text, "lmtp:")) {
    hop.lmtp = true;
    hop.port = kLmtpPort;
    text = after_bytes(text, 5);
  }
  if (hop.lmtp && starts_with(text, "unix:")) {
    hop.host = after_bytes(text, 5);
    hop.is_address = true;
    if (event::parse_stream_address(text).ok()) return hop;
    why = "lmtp:unix:/PATH expected";
    return std::nullopt;
  }
  if (!parse_host(text, hop, why)) return std::nullopt;
  if (text.empty()) return hop;
  std::uint64_t port = 0;
  if (text.front() != ':' || !parse_decimal(after_bytes(text, 1), 65535, port) || port == 0) {
    why = "a port is a number from 1 to 65535";
    return std::nullopt;
  }
  hop.port = static_cast<std::uint16_t>(port);
  return hop;
}

Routes::Routes(std::span<const control::ControlLine> verifyprobe,
               std::span<const control::ControlLine> smtproutes,
               std::vector<control::Problem>& problems) {
  for (const control::ControlLine& line : verifyprobe) read_line(line, problems);
  for (const control::ControlLine& line : smtproutes) read_smtproute(line, problems);
}

void Routes::read_line(const control::ControlLine& line, std::vector<control::Problem>& problems) {
  const auto refuse = [&](std::string text) {
    problems.push_back({"control/verifyprobe", line.number, std::move(text)});
  };
  std::string domain;
  std::string_view rest;
  std::string mistake;
  if (!control::read_probed_domain(line, domain, rest, mistake)) return refuse(mistake);
  Entry entry;
  entry.route.entry = domain;
  bool mx = false;
  for (const std::string_view word : words_of(rest)) {
    if (parse_option(word, entry.route)) continue;
    if (word == "mx") {
      mx = true;
      continue;
    }
    std::string why;
    const std::optional<NextHop> hop = parse_next_hop(word, why);
    if (!hop) return refuse("'" + std::string(word) + "': " + why);
    entry.route.hops.push_back(*hop);
  }
  if (mx && !entry.route.hops.empty()) return refuse("mx stands alone");
  entry.by_smtproutes = !mx && entry.route.hops.empty();
  if (!entries_.emplace(domain, std::move(entry)).second) {
    refuse("a second line for " + domain + "; the first counts");
  }
}

// "domain:relay[:port]", as qmail-remote(8) reads it.  No relay: by MX.  No domain: all others.
void Routes::read_smtproute(const control::ControlLine& line,
                            std::vector<control::Problem>& problems) {
  std::string_view rest = line.text;
  const std::string domain = lower(take_until(rest, ':'));
  // Some variants of qmail have `relay:port user password`.
  const std::string_view relay = first_bytes(rest, find_byte(rest, ' '));
  std::string why;
  const std::optional<NextHop> hop = relay.empty() ? NextHop{} : parse_next_hop(relay, why);
  if (hop) {
    // As qmail's constmap, this keeps the first of several lines with one key.
    smtproutes_.emplace(domain, *hop);
  } else {
    problems.push_back({"control/smtproutes", line.number, "'" + std::string(relay) + "': " + why});
  }
}

std::optional<Route> Routes::find(std::string_view domain) const {
  const std::string name = lower(domain);
  const auto hit = find_suffix(entries_, name);
  if (hit == entries_.end()) return std::nullopt;
  Route route = hit->second.route;
  if (!hit->second.by_smtproutes) return route;
  auto relay = find_suffix(smtproutes_, name);
  if (relay == smtproutes_.end()) relay = smtproutes_.find(std::string_view{});
  if (relay != smtproutes_.end() && !relay->second.host.empty()) {
    route.hops = {relay->second};
  }
  return route;
}

void OwnAddresses::refresh() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return;
  interfaces_.clear();
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr != nullptr) interfaces_.insert(place_of(one->ifa_addr).address);
  }
  freeifaddrs(list);
}

bool OwnAddresses::contains(const event::StreamAddress& address) const {
  const auto [host, port] = place_of(address.get());
  if (host.empty() || !ports_.contains(port)) return false;
  return starts_with(host, "127.") || host == "::1" || host == "0.0.0.0" || host == "::" ||
         interfaces_.contains(host);
}

}  // namespace qv::probe
