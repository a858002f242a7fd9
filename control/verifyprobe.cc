// SPDX-License-Identifier: 0BSD
#include "control/verifyprobe.h"

#include <algorithm>

#include "core/text.h"

namespace qv::control {

bool is_host_name(std::string_view s) {
  if (s.empty() || s.front() == '-' || s.front() == '.' || s.size() > 255) return false;
  return std::all_of(s.begin(), s.end(), [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_';
  });
}

bool read_probed_domain(const ControlLine& line, std::string& domain, std::string_view& rest,
                        std::string& why) {
  const std::string_view text = line.text;
  const std::size_t colon = find_byte(text, ':');
  domain = trim_blanks(first_bytes(text, colon));
  std::transform(domain.begin(), domain.end(), domain.begin(), ascii_lower);
  rest = after_bytes(text, colon + 1);
  if (colon == text.size()) {
    why = "DOMAIN:NEXTHOP expected";
    return false;
  }
  if (is_host_name(after_bytes(domain, starts_with(domain, ".") ? 1 : 0))) return true;
  why = "not a domain: '" + domain + "'; probing for all domains is not possible";
  return false;
}

}  // namespace qv::control
