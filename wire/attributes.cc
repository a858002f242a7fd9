// SPDX-License-Identifier: 0BSD
#include "wire/attributes.h"

#include <charconv>
#include <iterator>

#include "core/check.h"
#include "core/text.h"

namespace qv::wire {

Frame AttributeDecoder::scan(std::string_view bytes) {
  if (whole_) return Frame::whole;
  QV_CHECK(bytes.size() >= scanned_);
  const std::string_view seen = first_bytes(bytes, limits_.message);
  while (scanned_ < seen.size()) {
    const std::string_view rest = after_bytes(seen, scanned_);
    const std::size_t length = find_byte(rest, '\0');
    const bool in_name = strings_ % 2 == 0;
    // Checked before the NUL has arrived, too: do not wait for a name that never ends.
    if (in_name && scanned_ + length - begin_ > limits_.name) return Frame::malformed;
    scanned_ += length;
    if (length == rest.size()) break;
    const std::size_t end = scanned_++;
    if (in_name && end == begin_) {
      whole_ = strings_ > 0;
      return whole_ ? Frame::whole : Frame::malformed;
    }
    if (strings_++ == 2 * kMaxAttributes) return Frame::malformed;
    begin_ = scanned_;
  }
  return bytes.size() >= limits_.message ? Frame::malformed : Frame::partial;
}

void AttributeDecoder::reset() { *this = AttributeDecoder(limits_); }

bool AttributeReader::next_is(std::string_view name) const {
  return !failed_ && starts_with(rest_, name) && find_byte(rest_, '\0') == name.size();
}

std::string_view AttributeReader::text(std::string_view name) {
  failed_ = !next_is(name);
  if (failed_) return {};
  rest_ = after_bytes(rest_, name.size() + 1);
  return take_until(rest_, '\0');
}

std::uint32_t AttributeReader::number(std::string_view name) {
  std::uint64_t value = 0;
  if (!parse_decimal(text(name), UINT32_MAX, value)) failed_ = true;
  return static_cast<std::uint32_t>(value);
}

void append_attribute(std::string& out, std::string_view name, std::string_view value) {
  QV_CHECK(!name.empty() && find_byte(name, '\0') == name.size());
  out.append(name);
  out.push_back('\0');
  out.append(first_bytes(value, find_byte(value, '\0')));
  out.push_back('\0');
}

void append_attribute(std::string& out, std::string_view name, std::uint32_t value) {
  char digits[10];
  const char* end = std::to_chars(std::begin(digits), std::end(digits), value).ptr;
  append_attribute(out, name, {digits, static_cast<std::size_t>(end - digits)});
}

void end_attributes(std::string& out) { out.push_back('\0'); }

}  // namespace qv::wire
