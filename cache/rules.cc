// SPDX-License-Identifier: 0BSD
#include "cache/rules.h"

#include "core/check.h"

namespace qv {

namespace {

using Probe = Judgement::Probe;

// How long the status of a record is believed, and after how long it is asked for again.
struct Limits {
  std::int64_t refresh;
  std::int64_t expire;
};

Limits limits_of(RecipientStatus status, const CacheTimes& times) {
  // Below every age: the age of a time that lies in the future within the clock skew is negative.
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

bool is_awaited(const CacheRecord& record, std::int64_t now, const CacheTimes& times) {
  return record.probed != 0 && now - record.probed <= times.probe_lost;
}

}  // namespace

Judgement judge(const CacheRecord* record, std::int64_t now, const CacheTimes& times) {
  if (record == nullptr || in_future(*record, now)) return {};
  const Probe unless_awaited = is_awaited(*record, now, times) ? Probe::not_needed : Probe::needed;
  if (is_expired(*record, now, times)) {
    const bool awaited = unless_awaited == Probe::not_needed;
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
  const bool worth_keeping =
      old != nullptr && !in_future(*old, now) && !is_expired(*old, now, times);
  if (!worth_keeping && !times.negative_cache) return Storing::ignore;
  out = worth_keeping ? *old : CacheRecord{};
  out.probed = now;
  return Storing::store;
}

Storing record_outcome(const CacheRecord* old, RecipientStatus status, std::string_view text,
                       std::int64_t now, const CacheTimes& times, CacheRecord& out) {
  QV_CHECK(status != RecipientStatus::todo);
  if (status != RecipientStatus::ok) {
    if (!times.negative_cache) return Storing::ignore;
    const bool still_ok = old != nullptr && old->status == RecipientStatus::ok &&
                          !in_future(*old, now) && !is_expired(*old, now, times);
    if (still_ok) return Storing::ignore;
  }
  out = {.status = status, .probed = 0, .updated = now, .text = safe_text(text)};
  return Storing::store;
}

Age age_of(const CacheRecord& record, std::int64_t now, const CacheTimes& times) {
  const EntryState state = judge(&record, now, times).state;
  return state == EntryState::absent || state == EntryState::lost ? Age::expired : Age::current;
}

AcceptAll judge_domain(const CacheRecord* record, std::int64_t now, const CacheTimes& times) {
  if (record == nullptr || record->updated == 0 || in_future(*record, now)) {
    return AcceptAll::unknown;
  }
  if (now - record->updated > times.accept_all) return AcceptAll::unknown;
  switch (record->status) {
    case RecipientStatus::ok:
      return AcceptAll::yes;
    case RecipientStatus::bounce:
      return AcceptAll::no;
    case RecipientStatus::defer:
    case RecipientStatus::todo:
      return AcceptAll::unknown;
  }
  QV_CHECK(false);
}

}  // namespace qv
