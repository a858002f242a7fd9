// SPDX-License-Identifier: 0BSD
#include "probe/shared_records.h"

#include <algorithm>
#include <utility>

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

// Said once each way, not for every query.
void SharedRecords::note(const Result<RedisReply>& reply) {
  const bool down = !reply.ok();
  if (down == down_) return;
  down_ = down;
  report_("redis", {{"event", down ? "down" : "up"},
                    {"detail", down ? std::string_view(reply.error().what) : std::string_view{}}});
}

void SharedRecords::find(const std::string& key, Found found) {
  redis_.command({"GET", record_name(key)},
                 [this, key, found = std::move(found)](const Result<RedisReply>& reply) {
                   on_record(key, reply, found);
                 });
}

void SharedRecords::on_record(const std::string& key, const Result<RedisReply>& reply,
                              const Found& found) {
  note(reply);
  if (!reply.ok()) return local_.find(key, found);
  if (reply.value().type != RedisReply::Type::text) return found(std::optional<CacheRecord>{});
  CacheRecord record;
  if (parse_record(reply.value().text, record) == RecordForm::damaged) {
    report_("store", {{"event", "damaged-record"}, {"key", key}, {"record", reply.value().text}});
    return found(std::optional<CacheRecord>{});
  }
  if (record.updated != 0) local_.store(key, record, 0);
  found(std::optional<CacheRecord>(std::move(record)));
}

void SharedRecords::lease(const std::string& key, std::int64_t /*seconds*/, Leased leased) {
  redis_.command({"SET", lease_name(key), token_, "NX", "EX", std::to_string(lease_s_)},
                 [this, leased = std::move(leased)](const Result<RedisReply>& reply) {
                   note(reply);
                   if (!reply.ok()) return leased(Lease::none);
                   const bool set = reply.value().type == RedisReply::Type::text;
                   leased(set ? Lease::granted : Lease::held);
                 });
}

void SharedRecords::end_lease(const std::string& key, std::function<void()> done) {
  constexpr const char* kIfOurs =
      "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end";
  redis_.command({"EVAL", kIfOurs, "1", lease_name(key), token_},
                 [this, done = std::move(done)](const Result<RedisReply>& reply) {
                   note(reply);
                   done();
                 });
}

void SharedRecords::store(const std::string& key, const CacheRecord& record, std::int64_t seconds) {
  if (record.updated != 0) local_.store(key, record, seconds);
  const std::string life = std::to_string(std::max<std::int64_t>(1, seconds));
  redis_.command({"SET", record_name(key), encode_record(record), "EX", life},
                 [this](const Result<RedisReply>& reply) { note(reply); });
}

void SharedRecords::erase(const std::string& key) {
  local_.erase(key);
  redis_.command({"DEL", record_name(key)},
                 [this](const Result<RedisReply>& reply) { note(reply); });
}

void SharedRecords::purge(std::string_view what) {
  const std::string wanted = cache_key(what);
  if (what != "--all" && find_byte(wanted, '@') < wanted.size()) return erase(wanted);
  const std::string domain = what == "--all" ? "*" : "*@" + without_wildcards(wanted);
  purge_matching("qv:probe:" + domain, "0");
}

void SharedRecords::purge_matching(const std::string& pattern, const std::string& cursor) {
  redis_.command({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"},
                 [this, pattern](const Result<RedisReply>& reply) {
                   note(reply);
                   if (!reply.ok() || reply.value().items.size() != 2) return;
                   std::vector<std::string> erase = {"DEL"};
                   for (const RedisReply& name : reply.value().items[1].items)
                     erase.push_back(name.text);
                   if (erase.size() > 1) redis_.command(erase, [](const Result<RedisReply>&) {});
                   const std::string next = reply.value().items[0].text;
                   if (next != "0") purge_matching(pattern, next);
                 });
}

}  // namespace qv
