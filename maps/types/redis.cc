// SPDX-License-Identifier: 0BSD
//@ needs: hiredis
// redis:/path/to/file.cf - a command to a Redis server.
//
// Parameters: hosts (`unix:/path`, `inet:host:port`, `host:port`, `host`), user, password, dbname
// (a number), query (a command: `GET mail:%s`, `HGET users %u`, `SISMEMBER users %s`),
// connect_timeout, timeout, result_format, expansion_limit, domain.  Each word of the command is
// one argument, whatever the key holds.  Nil, an empty list and the number 0 mean absent. Manual:
// qmail-map-redis(5).
#include <errno.h>
#include <hiredis.h>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/query_template.h"
#include "maps/types/server_map.h"
#include "maps/types/stream_client.h"

namespace qv {

namespace {

struct Free {
  void operator()(redisContext* c) const { redisFree(c); }
};
struct FreeReply {
  void operator()(redisReply* r) const { freeReplyObject(r); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

struct Settings {
  std::string user;
  std::string password;
  std::string dbname;
  int connect_timeout_ms = 0;
  int timeout_ms = 0;
};

timeval to_timeval(int ms) { return {ms / 1000, (ms % 1000) * 1000}; }

// Errors that say the server is not ready, and not that it was asked wrongly.
bool passes(std::string_view error) {
  for (const char* word : {"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM"}) {
    if (starts_with(error, word)) return true;
  }
  return false;
}

class RedisServer final : public Server {
 public:
  RedisServer(QueryRules rules, std::vector<Template> query, Settings settings)
      : rules_(std::move(rules)), query_(std::move(query)), settings_(std::move(settings)) {}

  Result<void> connect(const std::string& host, std::string& detail) override {
    connect_context(host);
    if (!context_ || context_->err != 0) return lost(detail);
    redisSetTimeout(context_.get(), to_timeval(settings_.timeout_ms));
    if (!settings_.password.empty()) {
      std::vector<std::string> words{"AUTH"};
      if (!settings_.user.empty()) words.push_back(settings_.user);
      words.push_back(settings_.password);
      QV_TRY_VOID(prepare(words, detail));
    }
    if (!settings_.dbname.empty()) QV_TRY_VOID(prepare({"SELECT", settings_.dbname}, detail));
    return {};
  }
  void disconnect() override { context_.reset(); }

  Result<Answer> ask(std::string_view key, std::string& value, bool& broken,
                     std::string& detail) override {
    if (!rules_.wants(key, false)) return Answer::absent;
    std::vector<std::string> words;
    for (const Template& word : query_) {
      std::string text;
      if (word.expand(key, key, quote_nothing, text) == Answer::absent) return Answer::absent;
      words.push_back(std::move(text));
    }
    const Reply reply = command(words);
    if (!reply) {
      broken = true;
      return lost(detail);
    }
    std::string joined;
    std::uint64_t count = 0;
    QV_TRY_VOID(take(key, *reply, joined, count, detail));
    if (count == 0) return Answer::absent;
    value = std::move(joined);
    return Answer::found;
  }

 private:
  void connect_context(const std::string& host) {
    const timeval limit = to_timeval(settings_.connect_timeout_ms);
    const ServerHost at = parse_server_host(host);
    if (!at.path.empty()) {
      context_.reset(redisConnectUnixWithTimeout(at.path.c_str(), limit));
      return;
    }
    std::uint64_t port = 6379;
    static_cast<void>(parse_decimal(at.port, 65535, port));
    context_.reset(redisConnectWithTimeout(at.name.c_str(), static_cast<int>(port), limit));
  }

  // Fails the connection, not one look-up.
  Error lost(std::string& detail) {
    detail = context_ ? context_->errstr : "out of memory";
    context_.reset();
    return {Fault::retry, 0, "Redis connection"};
  }

  Reply command(const std::vector<std::string>& words) {
    std::vector<const char*> pointers;
    std::vector<std::size_t> lengths;
    for (const std::string& word : words) {
      pointers.push_back(word.data());
      lengths.push_back(word.size());
    }
    return Reply(static_cast<redisReply*>(redisCommandArgv(
        context_.get(), static_cast<int>(words.size()), pointers.data(), lengths.data())));
  }

  Result<void> prepare(const std::vector<std::string>& words, std::string& detail) {
    const Reply reply = command(words);
    if (!reply) return lost(detail);
    if (reply->type != REDIS_REPLY_ERROR) return {};
    detail = words.front() + ": " + reply->str;
    const Fault fault = passes(reply->str) ? Fault::retry : Fault::config;
    context_.reset();
    return Error{fault, 0, "Redis"};
  }

  Result<void> take(std::string_view key, const redisReply& reply, std::string& joined,
                    std::uint64_t& count, std::string& detail) const {
    switch (reply.type) {
      case REDIS_REPLY_NIL:
        return {};
      case REDIS_REPLY_INTEGER:
        if (reply.integer == 0) return {};
        return rules_.add(key, std::to_string(reply.integer), joined, count);
      case REDIS_REPLY_STRING:
      case REDIS_REPLY_STATUS:
        return rules_.add(key, {reply.str, reply.len}, joined, count);
      case REDIS_REPLY_ARRAY:
        for (std::size_t i = 0; i < reply.elements; ++i) {
          // A nested list is nothing that a table can say.
          if (reply.element[i]->type == REDIS_REPLY_ARRAY) break;
          QV_TRY_VOID(take(key, *reply.element[i], joined, count, detail));
        }
        return {};
      case REDIS_REPLY_ERROR:
        detail = reply.str;
        return Error{passes(reply.str) ? Fault::retry : Fault::config, 0, "Redis command"};
      default:
        detail = "a reply of unknown type";
        return Error{Fault::protocol, 0, "Redis reply"};
    }
  }

  QueryRules rules_;
  std::vector<Template> query_;
  Settings settings_;
  std::unique_ptr<redisContext, Free> context_;
};

std::vector<Template> parse_command(QueryConfig& config) {
  std::vector<Template> words;
  const std::string text = config.text("query");
  std::string_view rest = trim_white(text);
  while (!rest.empty()) {
    std::size_t end = 0;
    while (end < rest.size() && !is_blank(rest[end])) ++end;
    Template word;
    std::string wrong;
    if (!Template::parse(first_bytes(rest, end), word, wrong)) config.note("query: " + wrong);
    words.push_back(std::move(word));
    rest = trim_white(after_bytes(rest, end));
  }
  if (words.empty()) config.note("query: no command");
  return words;
}

Result<std::unique_ptr<Map>> open_redis(const MapSpec& spec, std::string& detail) {
  QV_TRY(QueryConfig config, QueryConfig::read(std::string(strip_braces(spec.name)), detail));
  QueryRules rules(config);
  std::vector<Template> query = parse_command(config);
  Settings settings{.user = config.text("user"),
                    .password = config.text("password"),
                    .dbname = config.text("dbname"),
                    .connect_timeout_ms = config.milliseconds("connect_timeout", 5),
                    .timeout_ms = config.milliseconds("timeout", 10)};
  std::vector<std::string> hosts = config.list("hosts", "localhost");
  if (hosts.empty()) config.note("hosts: no host");
  QV_TRY_VOID(check_config(config, {"query"}, detail));
  if (config.has("password")) detail = warn_if_exposed(config.stamp());
  return make_server_map(
      std::make_unique<RedisServer>(std::move(rules), std::move(query), std::move(settings)),
      std::move(hosts), {config.stamp()});
}

}  // namespace

extern const MapType map_type_redis;
const MapType map_type_redis{
    "redis", {.networked = true}, "/path.cf: a command to a Redis server", open_redis};

}  // namespace qv
