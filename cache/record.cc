// SPDX-License-Identifier: 0BSD
#include "cache/record.h"

#include <algorithm>

#include "core/check.h"
#include "core/text.h"

namespace qv {

namespace {

void make_safe(std::string& text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return !is_printable(c); }, '?');
}

}  // namespace

bool status_from_number(std::uint64_t number, RecipientStatus& out) {
  if (number > static_cast<std::uint64_t>(RecipientStatus::todo)) return false;
  out = static_cast<RecipientStatus>(number);
  return true;
}

std::string_view status_name(RecipientStatus status) {
  constexpr std::string_view kNames[] = {"ok", "defer", "bounce", "todo"};
  return kNames[static_cast<std::size_t>(status)];
}

RecordForm parse_record(std::string_view bytes, CacheRecord& out) {
  const std::string_view status_text = take_until(bytes, ':');
  const std::string_view probed_text = take_until(bytes, ':');
  const bool has_text = find_byte(bytes, ':') < bytes.size();
  const std::string_view updated_text = take_until(bytes, ':');
  std::uint64_t number = 0;
  std::uint64_t probed = 0;
  std::uint64_t updated = 0;
  RecipientStatus status{};
  if (!has_text || !parse_decimal(status_text, 9, number) || !status_from_number(number, status) ||
      !parse_decimal(probed_text, INT64_MAX, probed) ||
      !parse_decimal(updated_text, INT64_MAX, updated) || (probed == 0 && updated == 0)) {
    return RecordForm::damaged;
  }
  out.status = status;
  out.probed = static_cast<std::int64_t>(probed);
  out.updated = static_cast<std::int64_t>(updated);
  // Into the memory that is there.
  out.text = first_bytes(bytes, kMaxCacheText);
  make_safe(out.text);
  return RecordForm::whole;
}

std::string encode_record(const CacheRecord& record) {
  QV_CHECK(record.probed >= 0 && record.updated >= 0 && (record.probed > 0 || record.updated > 0));
  return std::to_string(static_cast<unsigned>(record.status)) + ':' +
         std::to_string(record.probed) + ':' + std::to_string(record.updated) + ':' +
         safe_text(record.text);
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

std::string safe_text(std::string_view text) {
  std::string out(first_bytes(text, kMaxCacheText));
  make_safe(out);
  return out;
}

}  // namespace qv
