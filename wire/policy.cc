// SPDX-License-Identifier: 0BSD
#include "wire/policy.h"

#include <iterator>

#include "core/check.h"
#include "core/text.h"

namespace qv::wire::policy {

namespace {

struct Field {
  std::string_view name;
  std::string_view Request::*member;
};
constexpr Field kFields[] = {
    {"request", &Request::request},     {"protocol_state", &Request::protocol_state},
    {"helo_name", &Request::helo_name}, {"sender", &Request::sender},
    {"recipient", &Request::recipient}, {"client_address", &Request::client_address},
};

// A client may end its lines as SMTP does: the scanner ignores every CR before the newline, so all
// of them are cut.
std::string_view without_cr(std::string_view line) {
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

Frame RequestScanner::scan(std::string_view bytes) {
  QV_CHECK(bytes.size() >= scanned_);
  const std::string_view seen = first_bytes(bytes, kMaxRequest);
  while (scanned_ < seen.size()) {
    const char c = seen[scanned_++];
    if (c == '\0') return Frame::malformed;
    if (c == '\n' && line_is_empty_) return Frame::whole;
    if (c != '\r') line_is_empty_ = c == '\n';
  }
  return bytes.size() >= kMaxRequest ? Frame::malformed : Frame::partial;
}

bool parse_request(std::string_view whole, Request& request) {
  request = Request{};
  unsigned given = 0;  // one bit per field: an empty value counts as given too
  while (!whole.empty()) {
    std::string_view value = without_cr(take_until(whole, '\n'));
    if (value.empty()) break;
    if (find_byte(value, '=') == value.size()) return false;
    const std::string_view name = take_until(value, '=');
    for (std::size_t i = 0; i < std::size(kFields); ++i) {
      if (kFields[i].name != name) continue;
      if ((given & 1u << i) == 0) request.*kFields[i].member = value;
      given |= 1u << i;
      break;
    }
  }
  return !request.request.empty();
}

void append_reply(std::string& out, std::string_view action) {
  out.append("action=");
  for (const char c : first_bytes(action, kMaxAction)) out.push_back(is_printable(c) ? c : '?');
  out.append("\n\n");
}

}  // namespace qv::wire::policy
