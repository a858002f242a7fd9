// SPDX-License-Identifier: 0BSD
#include "probe/routes.h"

#include <arpa/inet.h>

#include "control/verifyprobe.h"
#include "core/text.h"
#include "event/listen.h"

namespace qv {

namespace {

constexpr const char* kFile = "control/verifyprobe";

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = ascii_lower(c);
  return out;
}

bool is_ipv4(const std::string& s) {
  in_addr address{};
  return inet_pton(AF_INET, s.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& s) {
  in6_addr address{};
  return inet_pton(AF_INET6, s.c_str(), &address) == 1;
}

// "host" and what follows it: cuts `[...]` or what stands before the first colon.
bool take_host(std::string_view& rest, NextHop& hop, std::string& why) {
  if (!starts_with(rest, "[")) {
    hop.host = lower(first_bytes(rest, find_byte(rest, ':')));
    rest = after_bytes(rest, hop.host.size());
    hop.is_address = is_ipv4(hop.host);
    if (is_host_name(hop.host)) return true;
    why = "not a host name; an IPv6 address stands in brackets";
    return false;
  }
  const std::size_t end = find_byte(rest, ']');
  hop.host = lower(first_bytes(after_bytes(rest, 1), end - 1));
  hop.is_address = true;
  if (end == rest.size() || (!is_ipv4(hop.host) && !is_ipv6(hop.host))) {
    why = "not an address in brackets";
    return false;
  }
  rest = after_bytes(rest, end + 1);
  return true;
}

// Looks up a name, then every suffix of it that begins with a dot, longest first.
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

bool read_option(std::string_view word, Route& route) {
  if (word == "backup-mx") {
    route.backup_mx = true;
  } else if (word == "tls=no") {
    route.tls = TlsUse::never;
  } else if (word == "tls=may") {
    route.tls = TlsUse::may;
  } else if (word == "tls=must") {
    route.tls = TlsUse::must;
  } else {
    return false;
  }
  return true;
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
    if (parse_stream_address(text).ok()) return hop;
    why = "lmtp:unix:/PATH expected";
    return std::nullopt;
  }
  if (!take_host(text, hop, why)) return std::nullopt;
  if (text.empty()) return hop;
  std::uint64_t port = 0;
  if (text.front() != ':' || !parse_decimal(after_bytes(text, 1), 65535, port) || port == 0) {
    why = "a port is a number from 1 to 65535";
    return std::nullopt;
  }
  hop.port = static_cast<std::uint16_t>(port);
  return hop;
}

Routes::Routes(std::span<const ControlLine> verifyprobe, std::span<const ControlLine> smtproutes,
               std::vector<Problem>& problems) {
  for (const ControlLine& line : verifyprobe) read_line(line, problems);
  for (const ControlLine& line : smtproutes) read_smtproute(line, problems);
}

void Routes::read_line(const ControlLine& line, std::vector<Problem>& problems) {
  const auto refuse = [&](std::string text) {
    problems.push_back({kFile, line.number, std::move(text)});
  };
  std::string domain;
  std::string_view rest;
  std::string mistake;
  if (!read_probed_domain(line, domain, rest, mistake)) return refuse(mistake);
  Entry entry;
  entry.route.entry = domain;
  bool mx = false;
  for (const std::string_view word : words_of(rest)) {
    if (read_option(word, entry.route)) continue;
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
  entry.route.kind = entry.route.hops.empty() ? Route::Kind::mx : Route::Kind::hosts;
  entry.from = mx || !entry.route.hops.empty() ? From::line : From::smtproutes;
  if (!entries_.emplace(domain, std::move(entry)).second) {
    refuse("a second line for " + domain + "; the first counts");
  }
}

// "domain:relay[:port]" as qmail-remote(8) has it; relay empty: by MX; domain empty: all others.
void Routes::read_smtproute(const ControlLine& line, std::vector<Problem>& problems) {
  std::string_view rest = line.text;
  const std::string domain = lower(take_until(rest, ':'));
  // Some qmails take `relay:port user password` here.
  const std::string_view relay = first_bytes(rest, find_byte(rest, ' '));
  NextHop hop;
  if (!relay.empty()) {
    std::string why;
    const std::optional<NextHop> parsed = parse_next_hop(relay, why);
    if (!parsed) {
      problems.push_back(
          {"control/smtproutes", line.number, "'" + std::string(relay) + "': " + why});
      return;
    }
    hop = *parsed;
  }
  // constmap: the first of several lines with one key counts.
  smtproutes_.emplace(domain, hop);
}

const NextHop* Routes::find_smtproute(std::string_view domain) const {
  auto hit = find_suffix(smtproutes_, domain);
  if (hit == smtproutes_.end()) hit = smtproutes_.find(std::string_view{});
  return hit == smtproutes_.end() || hit->second.host.empty() ? nullptr : &hit->second;
}

std::optional<Route> Routes::find(std::string_view domain) const {
  const std::string name = lower(domain);
  const auto hit = find_suffix(entries_, name);
  if (hit == entries_.end()) return std::nullopt;
  Route route = hit->second.route;
  if (hit->second.from == From::line) return route;
  if (const NextHop* hop = find_smtproute(name)) {
    route.kind = Route::Kind::hosts;
    route.hops = {*hop};
  }
  return route;
}

}  // namespace qv
