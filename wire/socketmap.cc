// SPDX-License-Identifier: 0BSD
#include "wire/socketmap.h"

#include <algorithm>
#include <iterator>

#include "core/text.h"

namespace qv::wire {

namespace {
constexpr std::size_t kMaxDigits = 9;  // more than any limit of ours needs
}

Frame parse_netstring(std::string_view bytes, std::size_t max, std::string_view& payload,
                      std::size_t& size) {
  const std::size_t colon = find_byte(first_bytes(bytes, kMaxDigits + 1), ':');
  const std::string_view digits = first_bytes(bytes, colon);
  std::uint64_t length = 0;
  // Must be a number even before its colon has arrived.
  if (!digits.empty() && !parse_decimal(digits, max, length)) return Frame::malformed;
  if (digits.size() > 1 && digits.front() == '0') return Frame::malformed;
  if (colon == bytes.size()) return colon > kMaxDigits ? Frame::malformed : Frame::partial;
  if (digits.empty() || colon > kMaxDigits) return Frame::malformed;

  const std::string_view rest = after_bytes(bytes, colon + 1);
  if (rest.size() <= length) return Frame::partial;
  if (rest[length] != ',') return Frame::malformed;
  payload = first_bytes(rest, length);
  size = colon + 1 + length + 1;
  return Frame::whole;
}

void append_netstring(std::string& out, std::string_view payload) {
  out.append(std::to_string(payload.size()));
  out.push_back(':');
  out.append(payload);
  out.push_back(',');
}

}  // namespace qv::wire

namespace qv::wire::socketmap {

namespace {

// In the order of the enumerators.
constexpr std::string_view kStatuses[] = {"OK", "NOTFOUND", "TEMP", "TIMEOUT", "PERM"};

}  // namespace

Frame parse_request(std::string_view bytes, Request& request, std::size_t& size) {
  std::string_view payload;
  const Frame frame = parse_netstring(bytes, kMaxRequest, payload, size);
  if (frame != Frame::whole) return frame;
  const std::size_t space = find_byte(payload, ' ');
  if (space == 0 || space == payload.size()) return Frame::malformed;
  request = {first_bytes(payload, space), after_bytes(payload, space + 1)};
  return Frame::whole;
}

bool append_request(std::string& out, const Request& request) {
  if (request.name.empty() || find_byte(request.name, ' ') != request.name.size()) return false;
  if (request.name.size() + 1 + request.key.size() > kMaxRequest) return false;
  std::string payload(request.name);
  payload.push_back(' ');
  payload.append(request.key);
  append_netstring(out, payload);
  return true;
}

Frame parse_reply(std::string_view bytes, Reply& reply, std::size_t& size) {
  std::string_view payload;
  const Frame frame = parse_netstring(bytes, kMaxReply, payload, size);
  if (frame != Frame::whole) return frame;
  // Some servers omit the space where nothing follows it.
  const std::string_view status = take_until(payload, ' ');
  const auto* const known = std::find(std::begin(kStatuses), std::end(kStatuses), status);
  if (known == std::end(kStatuses)) return Frame::malformed;
  reply = {static_cast<Status>(known - kStatuses), payload};
  return Frame::whole;
}

void append_reply(std::string& out, const Reply& reply) {
  std::string payload(kStatuses[static_cast<std::size_t>(reply.status)]);
  payload.push_back(' ');
  const std::size_t room = kMaxReply - payload.size();
  if (reply.status == Status::ok && reply.text.size() > room) {
    append_netstring(out, "PERM value is too long");
    return;
  }
  payload.append(first_bytes(reply.text, room));
  append_netstring(out, payload);
}

}  // namespace qv::wire::socketmap
