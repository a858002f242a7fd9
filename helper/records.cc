// SPDX-License-Identifier: 0BSD
#include "helper/records.h"

#include <errno.h>

#include "core/text.h"

namespace qv::helper {

namespace {

constexpr std::uint64_t kMaxId = UINT32_MAX - 1;  // (uid_t)-1 is nobody's

Error damaged() { return {Fault::protocol, EPROTO, "record"}; }

void append_number(std::uint64_t number, std::string& out) {
  out += std::to_string(number);
  out += '\0';
}

// Cuts a decimal number and its NUL off `rest`.
bool take_number(std::string_view& rest, std::uint64_t max, std::uint64_t& number) {
  if (find_byte(rest, '\0') == rest.size()) return false;
  return parse_decimal(take_until(rest, '\0'), max, number);
}

std::string_view without_leading_space(std::string_view s) {
  while (!s.empty() && (is_blank(s.front()) || (s.front() >= '\n' && s.front() <= '\r'))) {
    s.remove_prefix(1);
  }
  return s;
}

}  // namespace

// nss_files(5): blanks before an entry and lines that begin with '#' are passed over, and an entry
// may end after its gid.
bool parse_passwd_line(std::string_view line, PasswdEntry& entry) {
  line = without_leading_space(line);
  if (line.empty() || line.front() == '#' || line.front() == '+' || line.front() == '-') {
    return false;
  }
  if (find_byte(line, '\0') != line.size()) return false;
  PasswdEntry parsed;
  parsed.name = take_until(line, ':');
  static_cast<void>(take_until(line, ':'));  // password
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  if (parsed.name.empty() || !parse_decimal(take_until(line, ':'), kMaxId, uid) ||
      !parse_decimal(take_until(line, ':'), kMaxId, gid)) {
    return false;
  }
  parsed.uid = static_cast<uid_t>(uid);
  parsed.gid = static_cast<gid_t>(gid);
  static_cast<void>(take_until(line, ':'));  // full name
  const std::string_view home = take_until(line, ':');
  if (starts_with(home, "/")) parsed.home = home;
  entry = parsed;
  return true;
}

void encode_passwd(const PasswdEntry& entry, std::string& value) {
  value.clear();
  append_number(entry.uid, value);
  append_number(entry.gid, value);
  value += entry.home;
  value += '\0';
}

Result<PasswdEntry> decode_passwd(std::string_view value) {
  PasswdEntry entry;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  if (!take_number(value, kMaxId, uid) || !take_number(value, kMaxId, gid)) return damaged();
  if (value.empty() || find_byte(value, '\0') != value.size() - 1) return damaged();
  entry.uid = static_cast<uid_t>(uid);
  entry.gid = static_cast<gid_t>(gid);
  entry.home = first_bytes(value, value.size() - 1);
  return entry;
}

std::string encode_summary(const IndexSummary& summary) {
  std::string value;
  append_number(summary.count, value);
  append_number(summary.longest, value);
  append_number(summary.longest_default, value);
  return value;
}

Result<IndexSummary> decode_summary(std::string_view value) {
  IndexSummary summary;
  if (!take_number(value, UINT64_MAX, summary.count) ||
      !take_number(value, UINT64_MAX, summary.longest) ||
      !take_number(value, UINT64_MAX, summary.longest_default) || !value.empty()) {
    return damaged();
  }
  return summary;
}

}  // namespace qv::helper
