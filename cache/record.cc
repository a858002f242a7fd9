// SPDX-License-Identifier: 0BSD
#include "cache/record.h"

#include "core/check.h"
#include "core/text.h"

namespace qv {

namespace {

void make_safe(std::string& text) {
  for (char& c : text) {
    if (!is_printable(c)) c = '?';
  }
}

}  // namespace

bool status_from_number(std::uint64_t number, RecipientStatus& out) {
  if (number > static_cast<std::uint64_t>(RecipientStatus::todo)) return false;
  out = static_cast<RecipientStatus>(number);
  return true;
}

std::string_view status_name(RecipientStatus status) {
  switch (status) {
    case RecipientStatus::ok:
      return "ok";
    case RecipientStatus::defer:
      return "defer";
    case RecipientStatus::bounce:
      return "bounce";
    case RecipientStatus::todo:
      return "todo";
  }
  QV_CHECK(false);
}

RecordForm parse_record(std::string_view bytes, CacheRecord& out) {
  std::string_view rest = bytes;
  const std::string_view status_text = take_until(rest, ':');
  const std::string_view probed_text = take_until(rest, ':');
  const std::size_t updated_end = find_byte(rest, ':');
  if (updated_end == rest.size()) return RecordForm::damaged;
  const std::string_view updated_text = take_until(rest, ':');
  std::uint64_t number = 0;
  std::uint64_t probed = 0;
  std::uint64_t updated = 0;
  RecipientStatus status{};
  if (!parse_decimal(status_text, 9, number) || !status_from_number(number, status) ||
      !parse_decimal(probed_text, INT64_MAX, probed) ||
      !parse_decimal(updated_text, INT64_MAX, updated) || (probed == 0 && updated == 0)) {
    return RecordForm::damaged;
  }
  out.status = status;
  out.probed = static_cast<std::int64_t>(probed);
  out.updated = static_cast<std::int64_t>(updated);
  out.text = first_bytes(rest, kMaxCacheText);
  make_safe(out.text);
  return RecordForm::whole;
}

std::string encode_record(const CacheRecord& record) {
  QV_CHECK(record.probed >= 0 && record.updated >= 0 && (record.probed > 0 || record.updated > 0));
  std::string out = std::to_string(static_cast<unsigned>(record.status));
  out += ':';
  out += std::to_string(record.probed);
  out += ':';
  out += std::to_string(record.updated);
  out += ':';
  out += safe_text(record.text);
  return out;
}

void cache_key(std::string_view address, std::string& key) {
  key = address;
  for (char& c : key) c = c == ':' ? '_' : ascii_lower(c);
}

std::string cache_key(std::string_view address) {
  std::string key;
  cache_key(address, key);
  return key;
}

std::string domain_key(std::string_view domain) { return "@" + cache_key(domain); }

std::string_view domain_of(std::string_view address) {
  return after_bytes(address, find_last_byte(address, '@') + 1);
}

std::string safe_text(std::string_view text, std::size_t limit) {
  std::string out(first_bytes(text, limit));
  make_safe(out);
  return out;
}

}  // namespace qv
