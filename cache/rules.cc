// SPDX-License-Identifier: 0BSD
#include "cache/rules.h"

#include "core/check.h"
#include "core/text.h"

namespace qv {

namespace {

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

Storing record_probe(const CacheRecord* old, std::int64_t now, const CacheTimes& times,
                     CacheRecord& out) {
  const bool has_answer = is_current(old, now, times);
  if (!has_answer && !times.negative_cache) return Storing::ignore;
  out = has_answer ? *old : CacheRecord{};
  out.probed = now;
  return Storing::store;
}

Storing record_outcome(const CacheRecord* old, RecipientStatus status, std::string_view text,
                       std::int64_t now, const CacheTimes& times, CacheRecord& out) {
  QV_CHECK(status != RecipientStatus::todo);
  if (status != RecipientStatus::ok) {
    const bool still_ok = is_current(old, now, times) && old->status == RecipientStatus::ok;
    if (!times.negative_cache || still_ok) return Storing::ignore;
  }
  out = {.status = status, .probed = 0, .updated = now, .text = safe_text(text)};
  return Storing::store;
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

}  // namespace qv
