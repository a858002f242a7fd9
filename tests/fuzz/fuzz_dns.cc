// SPDX-License-Identifier: 0BSD
// wire/dns.h: whatever a server replies, the names in it are host names of bounded length.
#include <cstdint>
#include <cstdlib>

#include "wire/dns.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string query = qv::wire::dns::encode_mx_query(0x1234, "x.example");
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::vector<qv::wire::dns::Mx> records;
  const bool answered =
      qv::wire::dns::parse_mx_reply(bytes, query, records) == qv::wire::dns::Reply::answer;
  if (!answered && !records.empty()) abort();
  for (const qv::wire::dns::Mx& record : records) {
    if (record.host.empty() || record.host.size() > 255) abort();
    for (const char c : record.host) {
      if (c <= ' ' || c > '~' || c == '/') abort();
    }
  }
  const std::string made = qv::wire::dns::encode_mx_query(1, bytes);
  if (made.size() > 300) abort();
  return 0;
}
