// SPDX-License-Identifier: 0BSD
//@ needs: hiredis
// redis:/path/to/file.cf - a command to a Redis server.
//
// Parameters: hosts (`unix:/path`, `inet:host:port`, `host:port`, `host`), user, password, dbname
// (a number), query (a command: `GET mail:%s`, `HGET users %u`, `SISMEMBER users %s`),
// connect_timeout, timeout, result_format, expansion_limit, domain.  Each word of the command is
// one argument, whatever the key holds.  Nil, an empty list and the number 0 mean absent.
// Manual: qmail-map-redis(5).
#include <hiredis.h>

#include "core/text.h"
#include "maps/registry.h"
#include "maps/types/server_map.h"

namespace qv::maps {

namespace {

using Reply = std::unique_ptr<redisReply, FreeWith<freeReplyObject>>;

timeval to_timeval(int ms) { return {ms / 1000, (ms % 1000) * 1000}; }

// Errors that say that the server is not ready, rather than that the command is wrong, are retried.
Fault fault_of(std::string_view error) {
  for (const char* word : {"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM"}) {
    if (starts_with(error, word)) return Fault::retry;
  }
  return Fault::config;
}

class RedisMap final : public QueryMap {
 public:
  explicit RedisMap(QueryConfig config) : QueryMap(std::move(config)) {
    hosts_ = config_.list("hosts", "localhost");
    rules_.text_only = false;
    const std::string text = config_.required("query");
    std::string_view rest = trim_white(text);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
      Template word;
      std::string wrong;
      if (!Template::parse(first_bytes(rest, end), word, wrong)) {
        config_.add_problem("query: " + wrong);
      }
      command_.push_back(std::move(word));
      rest = trim_white(after_bytes(rest, end));
    }
    if (command_.empty()) config_.add_problem("query: no command");
  }

 private:
  Result<void> connect(const std::string& host) override {
    const timeval limit = to_timeval(connect_timeout_ms_);
    const ServerHost at = parse_server_host(host);
    std::uint64_t port = 6379;
    static_cast<void>(parse_decimal(at.port, 65535, port));
    context_.reset(at.path.empty()
                       ? redisConnectWithTimeout(at.name.c_str(), static_cast<int>(port), limit)
                       : redisConnectUnixWithTimeout(at.path.c_str(), limit));
    if (!context_ || context_->err != 0) return lost();
    redisSetTimeout(context_.get(), to_timeval(timeout_ms_));
    if (!password_.empty()) {
      std::vector<std::string> words{"AUTH"};
      if (!user_.empty()) words.push_back(user_);
      words.push_back(password_);
      QV_TRY_VOID(prepare(words));
    }
    if (!dbname_.empty()) QV_TRY_VOID(prepare({"SELECT", dbname_}));
    return {};
  }
  void disconnect() override { context_.reset(); }

  Result<void> query(std::string_view key, Results& results) override {
    std::vector<std::string> words(command_.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (command_[i].expand(key, key, words[i]) == Answer::absent) return {};
    }
    const Reply reply = send(words);
    if (!reply) return lost();
    return add_reply(*reply, results);
  }

  Error lost() {
    return lose({Fault::retry, 0, "Redis connection"},
                context_ ? context_->errstr : "out of memory");
  }

  Reply send(const std::vector<std::string>& words) {
    std::vector<const char*> pointers;
    std::vector<std::size_t> lengths;
    for (const std::string& word : words) {
      pointers.push_back(word.data());
      lengths.push_back(word.size());
    }
    return Reply(static_cast<redisReply*>(redisCommandArgv(
        context_.get(), static_cast<int>(words.size()), pointers.data(), lengths.data())));
  }

  Result<void> prepare(const std::vector<std::string>& words) {
    const Reply reply = send(words);
    if (!reply) return lost();
    if (reply->type != REDIS_REPLY_ERROR) return {};
    return fail({fault_of(reply->str), 0, "Redis"}, words.front() + ": " + reply->str);
  }

  Result<void> add_reply(const redisReply& reply, Results& results) {
    switch (reply.type) {
      case REDIS_REPLY_NIL:
        return {};
      case REDIS_REPLY_INTEGER:
        if (reply.integer == 0) return {};
        return results.add(std::to_string(reply.integer));
      case REDIS_REPLY_STRING:
      case REDIS_REPLY_STATUS:
        return results.add({reply.str, reply.len});
      case REDIS_REPLY_ARRAY:
        for (std::size_t i = 0; i < reply.elements; ++i) {
          // No value of a table can be a nested list.
          if (reply.element[i]->type == REDIS_REPLY_ARRAY) break;
          QV_TRY_VOID(add_reply(*reply.element[i], results));
        }
        return {};
      case REDIS_REPLY_ERROR:
        return fail({fault_of(reply.str), 0, "Redis command"}, reply.str);
      default:
        return fail({Fault::protocol, 0, "Redis reply"}, "a reply of unknown type");
    }
  }

  std::vector<Template> command_;
  const std::string user_ = config_.text("user");
  const std::string password_ = config_.text("password");
  const std::string dbname_ = config_.text("dbname");
  const int connect_timeout_ms_ = config_.milliseconds("connect_timeout", 5);
  const int timeout_ms_ = config_.milliseconds("timeout", 10);
  std::unique_ptr<redisContext, FreeWith<redisFree>> context_;
};

}  // namespace

extern const MapType map_type_redis{
    "redis", kLoadableTraits, "/path.cf: a command to a Redis server", open_query_map<RedisMap>};

}  // namespace qv::maps
