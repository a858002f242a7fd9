// SPDX-License-Identifier: 0BSD
#include "probe/own_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#include "core/text.h"

namespace qv {

namespace {

struct Place {
  std::string address;  // empty: neither IPv4 nor IPv6
  std::uint16_t port = 0;
};

Place place_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    memcpy(&in, address, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return {text, ntohs(in.sin_port)};
  }
  if (address->sa_family != AF_INET6) return {};
  sockaddr_in6 in6{};
  memcpy(&in6, address, sizeof in6);
  inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
  return {text, ntohs(in6.sin6_port)};
}

// ::ffff:192.0.2.1 goes to 192.0.2.1.
std::string_view without_mapping(std::string_view address) {
  constexpr std::string_view kMapped = "::ffff:";
  const bool mapped = starts_with(address, kMapped) && find_byte(address, '.') < address.size();
  return mapped ? after_bytes(address, kMapped.size()) : address;
}

bool is_always_here(std::string_view address) {
  return starts_with(address, "127.") || address == "::1" || address == "0.0.0.0" ||
         address == "::";
}

}  // namespace

void OwnAddresses::refresh() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return;
  std::set<std::string> found;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    const Place place = place_of(one->ifa_addr);
    if (!place.address.empty()) found.insert(place.address);
  }
  freeifaddrs(list);
  interfaces_ = std::move(found);
}

bool OwnAddresses::contains(const StreamAddress& address) const {
  const Place place = place_of(address.get());
  if (place.address.empty() || !ports_.contains(place.port)) return false;
  const std::string plain(without_mapping(place.address));
  return is_always_here(plain) || interfaces_.contains(plain);
}

}  // namespace qv
