// SPDX-License-Identifier: 0BSD
#include "wire/policy.h"

#include <iterator>

#include "core/check.h"
#include "core/text.h"

namespace qv::policy {

namespace {

struct Field {
  std::string_view name;
  std::string_view Request::*member;
};
constexpr Field kFields[] = {
    {"request", &Request::request},
    {"protocol_state", &Request::protocol_state},
    {"protocol_name", &Request::protocol_name},
    {"helo_name", &Request::helo_name},
    {"sender", &Request::sender},
    {"recipient", &Request::recipient},
    {"recipient_count", &Request::recipient_count},
    {"client_address", &Request::client_address},
    {"client_name", &Request::client_name},
    {"instance", &Request::instance},
    {"sasl_username", &Request::sasl_username},
    {"server_address", &Request::server_address},
};

constexpr std::string_view kAction = "action=";

// Cuts what a client that ends its lines as SMTP does puts before the newline; all of it, as the
// scanner passes over all of it.
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

void append_request(std::string& out, const Request& request) {
  for (const Field& field : kFields) {
    std::string_view value = request.*field.member;
    value = first_bytes(value, find_byte(value, '\n'));
    value = first_bytes(value, find_byte(value, '\0'));
    out.append(field.name).append("=").append(value).push_back('\n');
  }
  out.push_back('\n');
}

void append_reply(std::string& out, std::string_view action) {
  out.append(kAction);
  for (const char c : first_bytes(action, kMaxAction)) out.push_back(is_printable(c) ? c : '?');
  out.append("\n\n");
}

Frame parse_reply(std::string_view bytes, std::string_view& action, std::size_t& size) {
  const std::size_t shown = bytes.size() < kAction.size() ? bytes.size() : kAction.size();
  if (first_bytes(bytes, shown) != first_bytes(kAction, shown)) return Frame::malformed;
  const std::string_view rest = first_bytes(after_bytes(bytes, shown), kMaxAction + 2);
  const std::size_t end = find_byte(rest, '\n');
  if (end == rest.size()) return end > kMaxAction ? Frame::malformed : Frame::partial;
  if (end + 1 == rest.size()) return Frame::partial;
  if (rest[end + 1] != '\n') return Frame::malformed;
  action = first_bytes(rest, end);
  size = kAction.size() + end + 2;
  return Frame::whole;
}

}  // namespace qv::policy
