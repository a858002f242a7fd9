// SPDX-License-Identifier: 0BSD
#include "probe/own_addresses.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "core/text.h"

namespace qv {

namespace {

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

void OwnAddresses::refresh() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return;
  interfaces_.clear();
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr != nullptr) interfaces_.insert(place_of(one->ifa_addr).address);
  }
  freeifaddrs(list);
}

bool OwnAddresses::contains(const StreamAddress& address) const {
  const auto [host, port] = place_of(address.get());
  if (host.empty() || !ports_.contains(port)) return false;
  return starts_with(host, "127.") || host == "::1" || host == "0.0.0.0" || host == "::" ||
         interfaces_.contains(host);
}

}  // namespace qv
