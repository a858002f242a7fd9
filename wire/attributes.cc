// SPDX-License-Identifier: 0BSD
#include "wire/attributes.h"

#include <charconv>

#include "core/check.h"
#include "core/text.h"

namespace qv {

Frame AttributeDecoder::scan(std::string_view bytes) {
  if (whole_) return Frame::whole;
  QV_CHECK(bytes.size() >= scanned_);
  const std::string_view seen = first_bytes(bytes, limits_.message);
  while (scanned_ < seen.size()) {
    const std::string_view rest = after_bytes(seen, scanned_);
    const std::size_t length = find_byte(rest, '\0');
    const bool in_name = strings_ % 2 == 0;
    // Also before its NUL has come: a name without end must not be waited for.
    if (in_name && scanned_ + length - begin_ > limits_.name) return Frame::malformed;
    scanned_ += length;
    if (length == rest.size()) break;
    const std::size_t end = scanned_++;
    if (in_name && end == begin_) {
      whole_ = strings_ > 0;
      return whole_ ? Frame::whole : Frame::malformed;
    }
    if (strings_ == ends_.size()) return Frame::malformed;
    ends_[strings_++] = static_cast<std::uint32_t>(end);
    begin_ = scanned_;
  }
  return bytes.size() >= limits_.message ? Frame::malformed : Frame::partial;
}

Attribute AttributeDecoder::attribute(std::string_view bytes, std::size_t index) const {
  QV_CHECK(whole_ && index < count() && bytes.size() >= scanned_);
  const std::size_t name_begin = index == 0 ? 0 : ends_[index * 2 - 1] + std::size_t{1};
  const std::size_t name_end = ends_[index * 2];
  const std::size_t value_end = ends_[index * 2 + 1];
  return {{bytes.data() + name_begin, name_end - name_begin},
          {bytes.data() + name_end + 1, value_end - name_end - 1}};
}

void AttributeDecoder::reset() {
  scanned_ = 0;
  begin_ = 0;
  strings_ = 0;
  whole_ = false;
}

bool AttributeReader::next_is(std::string_view name) const {
  return !failed_ && next_ < decoder_.count() && decoder_.attribute(bytes_, next_).name == name;
}

std::string_view AttributeReader::text(std::string_view name) {
  if (!next_is(name)) {
    failed_ = true;
    return {};
  }
  return decoder_.attribute(bytes_, next_++).value;
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
  std::array<char, 10> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  append_attribute(out, name, {digits.data(), static_cast<std::size_t>(end.ptr - digits.data())});
}

void end_attributes(std::string& out) { out.push_back('\0'); }

}  // namespace qv
