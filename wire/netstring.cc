// SPDX-License-Identifier: 0BSD
#include "wire/netstring.h"

#include "core/text.h"

namespace qv {

namespace {
constexpr std::size_t kMaxDigits = 9;  // more than any limit of ours needs
}

Frame parse_netstring(std::string_view bytes, std::size_t max, std::string_view& payload,
                      std::size_t& size) {
  const std::size_t colon = find_byte(first_bytes(bytes, kMaxDigits + 1), ':');
  const std::string_view digits = first_bytes(bytes, colon);
  std::uint64_t length = 0;
  // What stands there must be a number even while its colon has not come.
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

}  // namespace qv
