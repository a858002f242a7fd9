// SPDX-License-Identifier: 0BSD
#include "probe/records.h"

#include <string.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/text.h"

namespace qv {

namespace {

std::string record_name(const std::string& key) { return "qv:probe:" + key; }
std::string lease_name(const std::string& key) { return "qv:lease:" + key; }

// What KEYS and SCAN take literally.
std::string without_wildcards(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

void Records::note_failure(const Error& error) {
  ++counters_.failures;
  const char* reason = error.errnum == 0 ? "" : strerror(error.errnum);
  report_("store", {{"event", "failed"}, {"detail", error.what}, {"error", reason}});
}

// Said once each way, not for every query.
void Records::note(const Result<RedisReply>& reply) {
  const bool down = !reply.ok();
  if (down == redis_is_down_) return;
  redis_is_down_ = down;
  report_("redis", {{"event", down ? "down" : "up"},
                    {"detail", down ? std::string_view(reply.error().what) : std::string_view{}}});
}

RecordForm Records::parse(const std::string& key, const std::string& bytes, CacheRecord& record) {
  const RecordForm form = parse_record(bytes, record);
  if (form == RecordForm::damaged) {
    ++counters_.damaged;
    report_("store", {{"event", "damaged-record"}, {"key", key}, {"record", bytes}});
  }
  return form;
}

Records::Peek Records::peek(const std::string& key, CacheRecord& record) {
  if (fleet_) return Peek::not_known;
  const Result<Answer> answer = store_.lookup(key, value_);
  if (!answer.ok() || answer.value() == Answer::absent) return Peek::not_known;
  if (parse_record(value_, record) == RecordForm::damaged) return Peek::not_known;
  if (record.probed < started_) record.probed = 0;
  return record.updated == 0 ? Peek::not_known : Peek::known;
}

Result<std::optional<CacheRecord>> Records::find_here(const std::string& key) {
  const Result<Answer> answer = store_.lookup(key, value_);
  if (!answer.ok()) {
    note_failure(answer.error());
    return answer.error();
  }
  CacheRecord record;
  if (answer.value() == Answer::absent) return std::optional<CacheRecord>{};
  if (parse(key, value_, record) == RecordForm::damaged) return std::optional<CacheRecord>{};
  if (record.probed < started_) record.probed = 0;
  if (record.probed == 0 && record.updated == 0) return std::optional<CacheRecord>{};
  return std::optional<CacheRecord>(std::move(record));
}

void Records::find(const std::string& key, Found found) {
  if (!fleet_) return found(find_here(key));
  fleet_->redis.command({"GET", record_name(key)},
                        [this, key, found = std::move(found)](const Result<RedisReply>& reply) {
                          note(reply);
                          if (!reply.ok()) return found(find_here(key));
                          CacheRecord record;
                          if (reply.value().type != RedisReply::Type::text ||
                              parse(key, reply.value().text, record) == RecordForm::damaged) {
                            return found(std::optional<CacheRecord>{});
                          }
                          if (record.updated != 0) store_here(key, record);
                          found(std::optional<CacheRecord>(std::move(record)));
                        });
}

void Records::lease(const std::string& key, Leased leased) {
  if (!fleet_) return leased(Lease::granted);
  fleet_->redis.command(
      {"SET", lease_name(key), fleet_->token, "NX", "EX", std::to_string(fleet_->lease_s)},
      [this, leased = std::move(leased)](const Result<RedisReply>& reply) {
        note(reply);
        if (!reply.ok()) return leased(Lease::none);
        const bool set = reply.value().type == RedisReply::Type::text;
        leased(set ? Lease::granted : Lease::held);
      });
}

void Records::end_lease(const std::string& key, std::function<void()> done) {
  constexpr const char* kIfOurs =
      "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end";
  if (!fleet_) return done();
  fleet_->redis.command({"EVAL", kIfOurs, "1", lease_name(key), fleet_->token},
                        [this, done = std::move(done)](const Result<RedisReply>& reply) {
                          note(reply);
                          done();
                        });
}

void Records::store_here(const std::string& key, const CacheRecord& record) {
  const Result<void> stored = store_.put(key, encode_record(record));
  if (!stored.ok()) note_failure(stored.error());
}

void Records::store(const std::string& key, const CacheRecord& record, std::int64_t seconds) {
  if (!fleet_ || record.updated != 0) store_here(key, record);
  if (!fleet_) return;
  const std::string life = std::to_string(std::max<std::int64_t>(1, seconds));
  fleet_->redis.command({"SET", record_name(key), encode_record(record), "EX", life},
                        [this](const Result<RedisReply>& reply) { note(reply); });
}

void Records::erase(const std::string& key) {
  const Result<Answer> erased = store_.erase(key);
  if (!erased.ok()) note_failure(erased.error());
  if (!fleet_) return;
  fleet_->redis.command({"DEL", record_name(key)},
                        [this](const Result<RedisReply>& reply) { note(reply); });
}

void Records::purge(std::string_view what) {
  if (!fleet_) return;
  const std::string wanted = cache_key(what);
  if (what != "--all" && find_byte(wanted, '@') < wanted.size()) return erase(wanted);
  const std::string domain = what == "--all" ? "*" : "*@" + without_wildcards(wanted);
  purge_matching("qv:probe:" + domain, "0");
}

void Records::purge_matching(const std::string& pattern, const std::string& cursor) {
  fleet_->redis.command({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"},
                        [this, pattern](const Result<RedisReply>& reply) {
                          note(reply);
                          if (!reply.ok() || reply.value().items.size() != 2) return;
                          std::vector<std::string> erase = {"DEL"};
                          for (const RedisReply& name : reply.value().items[1].items)
                            erase.push_back(name.text);
                          if (erase.size() > 1)
                            fleet_->redis.command(erase, [](const Result<RedisReply>&) {});
                          const std::string next = reply.value().items[0].text;
                          if (next != "0") purge_matching(pattern, next);
                        });
}

CacheCleanup::CacheCleanup(Loop& loop, CacheStore& store, std::function<std::int64_t()> clock,
                           const CacheTimes& times, std::int64_t interval_s, Report report)
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

bool CacheCleanup::is_expired(std::string_view key, std::string_view bytes) const {
  CacheRecord record;
  if (parse_record(bytes, record) == RecordForm::damaged) return true;
  const bool of_domain = !key.empty() && key.front() == '@';
  if (of_domain) return judge_domain(&record, clock_(), times_) == AcceptAll::unknown;
  return age_of(record, clock_(), times_) == Age::expired;
}

void CacheCleanup::step() {
  std::vector<std::string> expired;
  std::size_t seen = 0;
  const Result<void> walked =
      store_.walk(after_, [&](std::string_view key, std::string_view record) {
        after_ = key;
        if (is_expired(key, record)) expired.emplace_back(key);
        return ++seen == kBatch ? CacheStore::Walk::stop : CacheStore::Walk::go_on;
      });
  Result<void> done = walked;
  for (const std::string& key : expired) {
    const Result<Answer> erased = store_.erase(key);
    if (!erased.ok()) done = erased.error();
  }
  dropped_ += expired.size();
  kept_ += seen - expired.size();
  if (done.ok() && seen == kBatch) {
    step_ = loop_.after(0, [this] { step(); });
    return;
  }
  step_.reset();
  const std::string kept = std::to_string(kept_);
  const std::string dropped = std::to_string(dropped_);
  report_("cleanup", {{"kept", kept},
                      {"dropped", dropped},
                      {"error", done.ok() ? std::string_view{} : done.error().what}});
}

}  // namespace qv
