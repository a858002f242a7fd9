// SPDX-License-Identifier: 0BSD
#include "probe/records.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "core/text.h"

namespace qv::probe {

namespace {

std::string record_name(const std::string& key) { return "qv:probe:" + key; }
std::string lease_name(const std::string& key) { return "qv:lease:" + key; }

// Escapes the wildcards of SCAN.
std::string escape_wildcards(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

void Records::record_failure(const Error& error) {
  ++counters_.failures;
  process::LogLine line("store");
  line.add("event", "failed").add("detail", error.what);
  if (error.errnum != 0) line.add("error", strerror(error.errnum));
  report_(line);
}

void Records::ask_redis(const std::vector<std::string>& words, Replied replied) {
  fleet_->redis.command(
      words, [this, replied = std::move(replied)](const Result<event::RedisReply>& reply) {
        // A line for each change, not for each query.
        if (reply.ok() == redis_is_down_) {
          redis_is_down_ = !reply.ok();
          process::LogLine line("redis");
          line.add("event", redis_is_down_ ? "down" : "up");
          if (redis_is_down_) line.add("detail", reply.error().what);
          report_(line);
        }
        if (replied) replied(reply.ok() ? &reply.value() : nullptr);
      });
}

Records::Entry Records::parse(const std::string& key, const std::string& bytes) {
  cache::CacheRecord record;
  if (cache::parse_record(bytes, record) == cache::RecordForm::whole) return record;
  ++counters_.damaged;
  process::LogLine line("store");
  report_(line.add("event", "damaged-record").add("key", key).add("record", bytes));
  return std::nullopt;
}

bool Records::find_at_once(const std::string& key, cache::CacheRecord& record) {
  if (fleet_) return false;
  const Result<maps::Answer> answer = store_.lookup(key, value_);
  if (!answer.ok() || answer.value() == maps::Answer::absent) return false;
  if (cache::parse_record(value_, record) == cache::RecordForm::damaged) return false;
  if (record.probed < started_) record.probed = 0;
  return record.updated != 0;
}

Result<Records::Entry> Records::find_here(const std::string& key) {
  const Result<maps::Answer> answer = store_.lookup(key, value_);
  if (!answer.ok()) {
    record_failure(answer.error());
    return answer.error();
  }
  if (answer.value() == maps::Answer::absent) return Entry{};
  Entry entry = parse(key, value_);
  if (entry && entry->probed < started_) entry->probed = 0;
  if (entry && entry->probed == 0 && entry->updated == 0) entry.reset();
  return entry;
}

void Records::find(const std::string& key, const Found& found) {
  if (!fleet_) return found(find_here(key));
  ask_redis({"GET", record_name(key)}, [this, key, found](const event::RedisReply* reply) {
    if (reply == nullptr) return found(find_here(key));
    Entry entry;
    if (reply->type == event::RedisReply::Type::text) entry = parse(key, reply->text);
    if (entry && entry->updated != 0) store_here(key, *entry);
    found(entry);
  });
}

void Records::lease(const std::string& key, Leased leased) {
  if (!fleet_) return leased(Lease::granted);
  ask_redis({"SET", lease_name(key), fleet_->token, "NX", "EX", std::to_string(fleet_->lease_s)},
            [leased = std::move(leased)](const event::RedisReply* reply) {
              if (reply == nullptr) return leased(Lease::none);
              const bool set = reply->type == event::RedisReply::Type::text;
              leased(set ? Lease::granted : Lease::held);
            });
}

void Records::end_lease(const std::string& key, Then done) {
  constexpr const char* kIfOurs =
      "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end";
  if (!fleet_) return done();
  ask_redis({"EVAL", kIfOurs, "1", lease_name(key), fleet_->token},
            [done = std::move(done)](const event::RedisReply* /*reply*/) { done(); });
}

void Records::store_here(const std::string& key, const cache::CacheRecord& record) {
  const Result<void> stored = store_.put(key, cache::encode_record(record));
  if (!stored.ok()) record_failure(stored.error());
}

void Records::store(const std::string& key, const cache::CacheRecord& record,
                    std::int64_t seconds) {
  if (!fleet_ || record.updated != 0) store_here(key, record);
  if (!fleet_) return;
  ask_redis({"SET", record_name(key), cache::encode_record(record), "EX",
             std::to_string(std::max<std::int64_t>(1, seconds))});
}

void Records::erase(const std::string& key) {
  const Result<maps::Answer> erased = store_.erase(key);
  if (!erased.ok()) record_failure(erased.error());
  if (fleet_) ask_redis({"DEL", record_name(key)});
}

void Records::purge(std::string_view what) {
  if (!fleet_) return;
  const std::string wanted = cache::cache_key(what);
  if (what == "--all") return purge_matching("qv:probe:*", "0");
  if (find_byte(wanted, '@') < wanted.size()) return erase(wanted);
  purge_matching("qv:probe:*@" + escape_wildcards(wanted), "0");
}

void Records::purge_matching(const std::string& pattern, const std::string& cursor) {
  ask_redis({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"},
            [this, pattern](const event::RedisReply* reply) {
              if (reply == nullptr || reply->items.size() != 2) return;
              std::vector<std::string> erase = {"DEL"};
              for (const event::RedisReply& name : reply->items[1].items)
                erase.push_back(name.text);
              if (erase.size() > 1) ask_redis(erase);
              const std::string next = reply->items[0].text;
              if (next != "0") purge_matching(pattern, next);
            });
}

CacheCleanup::CacheCleanup(event::Loop& loop, cache::CacheStore& store,
                           std::function<std::int64_t()> clock, const cache::CacheTimes& times,
                           std::int64_t interval_s, Report report)
    : loop_(loop),
      store_(store),
      clock_(std::move(clock)),
      times_(times),
      report_(std::move(report)) {
  if (interval_s > 0) every_ = loop_.every(interval_s * 1000000, [this] { begin(); });
}

void CacheCleanup::begin() {
  if (step_) return;
  after_.clear();
  kept_ = dropped_ = 0;
  step_ = loop_.after(0, [this] { step(); });
}

void CacheCleanup::step() {
  std::vector<std::string> expired;
  std::size_t seen = 0;
  const auto is_expired = [&](std::string_view key, std::string_view bytes) {
    cache::CacheRecord record;
    if (cache::parse_record(bytes, record) == cache::RecordForm::damaged) return true;
    const cache::EntryState state = cache::state_of(key, record, clock_(), times_);
    return state == cache::EntryState::absent || state == cache::EntryState::lost;
  };
  Result<void> done = store_.walk(after_, [&](std::string_view key, std::string_view record) {
    after_ = key;
    if (is_expired(key, record)) expired.emplace_back(key);
    return ++seen == kBatch ? cache::CacheStore::Walk::stop : cache::CacheStore::Walk::go_on;
  });
  for (const std::string& key : expired) {
    const Result<maps::Answer> erased = store_.erase(key);
    if (!erased.ok()) done = erased.error();
  }
  dropped_ += expired.size();
  kept_ += seen - expired.size();
  if (done.ok() && seen == kBatch) {
    step_ = loop_.after(0, [this] { step(); });
    return;
  }
  step_.reset();
  process::LogLine line("cleanup");
  line.add("kept", kept_).add("dropped", dropped_);
  if (!done.ok()) line.add("error", done.error().what);
  report_(line);
}

}  // namespace qv::probe
