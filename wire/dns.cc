// SPDX-License-Identifier: 0BSD
#include "wire/dns.h"

#include <algorithm>

#include "core/text.h"

namespace qv::wire::dns {

namespace {

constexpr std::size_t kHeader = 12;
constexpr std::uint16_t kTypeMx = 15;
constexpr std::uint16_t kClassIn = 1;
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxLabel = 63;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}
std::uint16_t u16_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}
void put_u16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

// Reads a message from front to back; after the first mismatch it has failed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint16_t u16() {
    if (!has(2)) return 0;
    at_ += 2;
    return u16_at(bytes_, at_ - 2);
  }
  void skip(std::size_t n) {
    if (has(n)) at_ += n;
  }
  // The name at this place, lower case, without a final dot; "." for the root.
  std::string name();

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  bool has(std::size_t n) {
    if (failed_ || bytes_.size() - at_ < n) failed_ = true;
    return !failed_;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

std::string Reader::name() {
  std::string out;
  std::size_t here = at_;
  std::size_t lowest = at_;  // a pointer must point before everything read so far
  bool jumped = false;
  while (!failed_) {
    if (here >= bytes_.size()) break;
    const std::uint8_t length = byte_at(bytes_, here);
    if (length == 0) {
      if (!jumped) at_ = here + 1;
      return out.empty() ? "." : out;
    }
    if (length >= 0xc0) {
      if (bytes_.size() - here < 2) break;
      const std::size_t target = u16_at(bytes_, here) & 0x3fffu;
      if (!jumped) at_ = here + 2;
      jumped = true;
      if (target >= lowest) break;
      here = lowest = target;
      continue;
    }
    if (length > kMaxLabel || bytes_.size() - here - 1 < length) break;
    if (out.size() + length + 1 > kMaxName) break;
    if (!out.empty()) out += '.';
    for (std::size_t i = 1; i <= length; ++i) out += ascii_lower(bytes_[here + i]);
    here += length + std::size_t{1};
  }
  failed_ = true;
  return {};
}

bool is_host(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace

std::string encode_mx_query(std::uint16_t id, std::string_view name) {
  constexpr unsigned kRecursionDesired = 0x0100;
  constexpr unsigned kTypeOpt = 41;
  std::string out;
  put_u16(out, id);
  put_u16(out, kRecursionDesired);
  for (const unsigned count : {1u, 0u, 0u, 1u}) put_u16(out, count);
  if (ends_with(name, ".")) name.remove_suffix(1);
  if (name.empty() || name.size() > kMaxName - 2) return {};
  while (!name.empty()) {
    const bool more = find_byte(name, '.') < name.size();
    const std::string_view label = take_until(name, '.');
    if (label.empty() || label.size() > kMaxLabel || (more && name.empty())) return {};
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
  put_u16(out, kTypeMx);
  put_u16(out, kClassIn);
  // OPT: root, type, our size, no flags, no data.
  out += '\0';
  put_u16(out, kTypeOpt);
  put_u16(out, kMaxUdpReply);
  out.append(6, '\0');
  return out;
}

Reply parse_mx_reply(std::string_view bytes, std::string_view query, std::vector<Mx>& records) {
  constexpr unsigned kIsReply = 0x8000;
  constexpr unsigned kOpcode = 0x7800;
  constexpr unsigned kTruncated = 0x0200;
  constexpr unsigned kCode = 0x000f;
  constexpr unsigned kNoSuchName = 3;
  if (bytes.size() < kHeader || query.size() < kHeader) return Reply::foreign;
  const unsigned flags = u16_at(bytes, 2);
  if (u16_at(bytes, 0) != u16_at(query, 0) || (flags & kIsReply) == 0) return Reply::foreign;
  if ((flags & kOpcode) != 0 || u16_at(bytes, 4) != 1) return Reply::foreign;
  Reader asked(query);
  Reader reader(bytes);
  asked.skip(kHeader);
  reader.skip(kHeader);
  const bool same_name = asked.name() == reader.name();
  if (!same_name || reader.u16() != kTypeMx || reader.u16() != kClassIn || reader.failed()) {
    return Reply::foreign;
  }
  if ((flags & kTruncated) != 0) return Reply::truncated;
  const unsigned code = flags & kCode;
  if (code != 0 && code != kNoSuchName) return Reply::failure;
  std::vector<Mx> found;
  for (unsigned left = u16_at(bytes, 6); left > 0 && !reader.failed(); --left) {
    (void)reader.name();
    const std::uint16_t type = reader.u16();
    const std::uint16_t of_class = reader.u16();
    reader.skip(4);
    const std::uint16_t length = reader.u16();
    const std::size_t end = reader.at() + length;
    if (type != kTypeMx || of_class != kClassIn) {
      reader.skip(length);
      continue;
    }
    Mx record;
    record.preference = reader.u16();
    record.host = reader.name();
    if (reader.failed() || reader.at() != end) return Reply::failure;
    if (is_host(record.host)) found.push_back(std::move(record));
  }
  if (reader.failed()) return Reply::failure;
  std::stable_sort(found.begin(), found.end(),
                   [](const Mx& a, const Mx& b) { return a.preference < b.preference; });
  records = std::move(found);
  return Reply::answer;
}

}  // namespace qv::wire::dns
