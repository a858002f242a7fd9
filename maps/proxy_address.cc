// SPDX-License-Identifier: 0BSD
#include "maps/proxy_address.h"

#include "control/settings.h"
#include "wire/proxymap.h"

namespace qv {

std::string proxy_address(bool for_update) {
  const auto given = from_environment(for_update ? "PROXYWRITE" : "PROXYMAP");
  if (given && !given->empty()) return *given;
  const std::string home = from_environment("QMAILHOME").value_or(QV_QMAILHOME);
  return "unix:" + home + (for_update ? "/proxymap/proxywrite" : "/proxymap/proxymap");
}

bool is_proxied(std::string_view& table) {
  const std::string_view inner = proxymap::strip_proxy(table);
  const bool proxied = inner.size() != table.size();
  table = inner;
  return proxied;
}

}  // namespace qv
