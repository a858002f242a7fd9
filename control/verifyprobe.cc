// SPDX-License-Identifier: 0BSD
#include "control/verifyprobe.h"

#include "core/text.h"

namespace qv {

bool is_host_name(std::string_view s) {
  if (s.empty() || s.front() == '-' || s.front() == '.' || s.size() > 255) return false;
  for (const char c : s) {
    const char low = ascii_lower(c);
    if (!is_digit(c) && (low < 'a' || low > 'z') && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

bool read_probed_domain(const ControlLine& line, std::string& domain, std::string_view& rest,
                        std::string& why) {
  const std::string_view text = line.text;
  const std::size_t colon = find_byte(text, ':');
  domain = trim_blanks(first_bytes(text, colon));
  for (char& c : domain) c = ascii_lower(c);
  rest = after_bytes(text, colon + 1);
  if (colon == text.size()) {
    why = "DOMAIN:NEXTHOP expected";
    return false;
  }
  if (is_host_name(after_bytes(domain, starts_with(domain, ".") ? 1 : 0))) return true;
  why = "not a domain: '" + domain + "'; probing for all domains is not possible";
  return false;
}

}  // namespace qv
