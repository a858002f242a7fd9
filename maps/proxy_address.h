// SPDX-License-Identifier: 0BSD
// maps/proxy_address.h - where the table proxy is to be found.
#ifndef QV_MAPS_PROXY_ADDRESS_H_
#define QV_MAPS_PROXY_ADDRESS_H_

#include <string>
#include <string_view>

namespace qv {

// The stream address of qmail-proxymap: what the environment's PROXYMAP (PROXYWRITE where
// `for_update`) says, as unix:/path or inet:addr:port; else the socket it listens on by default,
// unix:$QMAILHOME/proxymap/proxymap (or proxywrite).
[[nodiscard]] std::string proxy_address(bool for_update);

// True, and `table` without its "proxy:", for a table that is asked through the proxy.
[[nodiscard]] bool is_proxied(std::string_view& table);

}  // namespace qv

#endif  // QV_MAPS_PROXY_ADDRESS_H_
