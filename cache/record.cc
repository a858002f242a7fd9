// SPDX-License-Identifier: 0BSD
#include "cache/record.h"

#include <algorithm>

#include "core/check.h"
#include "core/text.h"

namespace qv::cache {

namespace {

void make_safe(std::string& text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return !is_printable(c); }, '?');
}

using Probe = Judgement::Probe;

struct Limits {
  std::int64_t refresh;
  std::int64_t expire;
};

Limits limits_of(RecipientStatus status, const CacheTimes& times) {
  // Below every age: a time in the future, within the clock skew, has a negative age.
  constexpr Limits kNever{INT64_MIN, INT64_MIN};
  switch (status) {
    case RecipientStatus::ok:
      return {times.positive_refresh, times.positive_expire};
    case RecipientStatus::bounce:
      return times.negative_cache ? Limits{times.negative_refresh, times.negative_expire} : kNever;
    case RecipientStatus::defer:
      return times.negative_cache ? Limits{times.defer_hold, times.defer_hold} : kNever;
    case RecipientStatus::todo:
      return kNever;
  }
  QV_CHECK(false);
}

bool in_future(const CacheRecord& record, std::int64_t now) {
  return record.updated - now > kMaxClockSkew_s || record.probed - now > kMaxClockSkew_s;
}

bool is_expired(const CacheRecord& record, std::int64_t now, const CacheTimes& times) {
  return record.updated == 0 || now - record.updated > limits_of(record.status, times).expire;
}

bool is_current(const CacheRecord* record, std::int64_t now, const CacheTimes& times) {
  return record != nullptr && !in_future(*record, now) && !is_expired(*record, now, times);
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

bool is_cache_key(std::string_view key) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  return key.size() <= kMaxCacheKey && find_byte(key, '@') < key.size() &&
         std::none_of(key.begin(), key.end(), is_control);
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

Judgement judge(const CacheRecord* record, std::int64_t now, const CacheTimes& times) {
  if (record == nullptr || in_future(*record, now)) return {};
  const bool awaited = record->probed != 0 && now - record->probed <= times.probe_lost;
  const Probe unless_awaited = awaited ? Probe::not_needed : Probe::needed;
  if (is_expired(*record, now, times)) {
    return {awaited ? EntryState::pending : EntryState::lost, RecipientStatus::todo,
            unless_awaited};
  }
  if (record->status == RecipientStatus::defer) {
    return {EntryState::held, RecipientStatus::defer, Probe::not_needed};
  }
  if (now - record->updated <= limits_of(record->status, times).refresh) {
    return {EntryState::fresh, record->status, Probe::not_needed};
  }
  return {EntryState::stale, record->status, unless_awaited};
}

std::optional<CacheRecord> record_probe(const CacheRecord* old, std::int64_t now,
                                        const CacheTimes& times) {
  const bool has_answer = is_current(old, now, times);
  if (!has_answer && !times.negative_cache) return std::nullopt;
  CacheRecord sent = has_answer ? *old : CacheRecord{};
  sent.probed = now;
  return sent;
}

std::optional<CacheRecord> record_outcome(const CacheRecord* old, RecipientStatus status,
                                          std::string_view text, std::int64_t now,
                                          const CacheTimes& times) {
  QV_CHECK(status != RecipientStatus::todo);
  if (status != RecipientStatus::ok) {
    const bool still_ok = is_current(old, now, times) && old->status == RecipientStatus::ok;
    if (!times.negative_cache || still_ok) return std::nullopt;
  }
  return CacheRecord{.status = status, .probed = 0, .updated = now, .text = safe_text(text)};
}

AcceptAll judge_domain(const CacheRecord* record, std::int64_t now, const CacheTimes& times) {
  if (record == nullptr || record->updated == 0 || in_future(*record, now) ||
      now - record->updated > times.accept_all) {
    return AcceptAll::unknown;
  }
  if (record->status == RecipientStatus::ok) return AcceptAll::yes;
  return record->status == RecipientStatus::bounce ? AcceptAll::no : AcceptAll::unknown;
}

EntryState state_of(std::string_view key, const CacheRecord& record, std::int64_t now,
                    const CacheTimes& times) {
  if (!starts_with(key, "@")) return judge(&record, now, times).state;
  const bool unknown = judge_domain(&record, now, times) == AcceptAll::unknown;
  return unknown ? EntryState::lost : EntryState::fresh;
}

}  // namespace qv::cache
