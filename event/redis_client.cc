// SPDX-License-Identifier: 0BSD
#include "event/redis_client.h"

#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <list>
#include <utility>

#include "core/check.h"
#include "core/text.h"
#include "event/listen.h"

namespace qv::event {

namespace {

constexpr std::int64_t kPause_us = 1000000;
constexpr Error kNoServer{Fault::retry, 0, "redis does not answer"};
constexpr Error kRefused{Fault::config, 0, "redis refuses the command"};
constexpr int kMostNesting = 4;

RedisReply convert(const redisReply& reply, int nesting = 0) {
  RedisReply out;
  switch (reply.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      out.type = RedisReply::Type::text;
      out.text.assign(reply.str, reply.len);
      break;
    case REDIS_REPLY_INTEGER:
      out.type = RedisReply::Type::number;
      out.number = reply.integer;
      break;
    case REDIS_REPLY_ARRAY:
      out.type = RedisReply::Type::list;
      for (std::size_t i = 0; i < reply.elements && nesting < kMostNesting; ++i) {
        out.items.push_back(convert(*reply.element[i], nesting + 1));
      }
      break;
    default:
      break;
  }
  return out;
}

// Host and port of "ADDRESS:PORT"; false: another form.
bool split_place(std::string_view where, std::string& host, int& port) {
  if (!parse_stream_address("inet:" + std::string(where)).ok()) return false;
  const std::size_t colon = find_last_byte(where, ':');
  std::uint64_t number = 0;
  if (!parse_decimal(after_bytes(where, colon + 1), 65535, number)) return false;
  std::string_view name = first_bytes(where, colon);
  if (starts_with(name, "[")) name = first_bytes(after_bytes(name, 1), name.size() - 2);
  host = name;
  port = static_cast<int>(number);
  return true;
}

}  // namespace

// hiredis owns `context_` until it calls disconnected().  It calls back for every command, with
// null for those without an answer.
struct RedisClient::Connection {
  struct Call {
    Connection* connection;
    Done done;
    std::int64_t since_us;
  };

  Connection(LibeventLoop& the_loop, redisAsyncContext* context)
      : loop(the_loop), context_(context) {
    context_->data = this;
    static_cast<void>(
        redisLibeventAttach(context_, the_loop.base()));  // a new context: it succeeds
    redisAsyncSetConnectCallback(context_, &Connection::connected);
    redisAsyncSetDisconnectCallback(context_, &Connection::disconnected);
    sweep = loop.every(RedisClient::kLimit_us / 5, [this] { check_time(); });
  }

  ~Connection() { drop(); }

  void drop() {
    if (context_ == nullptr) return;
    // Calls back, with null, for all pending commands.
    redisAsyncFree(std::exchange(context_, nullptr));
  }

  void send(const std::vector<std::string>& words, Done done) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    calls.push_back({this, std::move(done), loop.now_us()});
    Call& call = calls.back();
    const int sent =
        redisAsyncCommandArgv(context_, &Connection::answered, &call,
                              static_cast<int>(words.size()), texts.data(), sizes.data());
    if (sent != REDIS_OK) finish(call, kNoServer);
  }

  void finish(Call& call, Result<RedisReply> reply) {
    const Done done = std::move(call.done);
    calls.remove_if([&call](const Call& one) { return &one == &call; });
    done(std::move(reply));
  }

  // Commands are answered in order: the first is the oldest.
  void check_time() {
    if (calls.empty() || loop.now_us() - calls.front().since_us < RedisClient::kLimit_us) return;
    broken = true;
    soon = loop.after(0, [this] { drop(); });
  }

  static void answered(redisAsyncContext* /*context*/, void* reply, void* argument) noexcept {
    Call& call = *static_cast<Call*>(argument);
    const auto* answer = static_cast<const redisReply*>(reply);
    if (answer == nullptr) return call.connection->finish(call, kNoServer);
    if (answer->type == REDIS_REPLY_ERROR) return call.connection->finish(call, kRefused);
    call.connection->finish(call, convert(*answer));
  }

  static void connected(const redisAsyncContext* context, int status) noexcept {
    // hiredis frees the context of a connection that failed.
    if (status != REDIS_OK) disconnected(context, status);
  }
  static void disconnected(const redisAsyncContext* context, int /*status*/) noexcept {
    auto* self = static_cast<Connection*>(context->data);
    self->context_ = nullptr;
    self->broken = true;
  }

  Loop& loop;
  redisAsyncContext* context_;
  bool broken = false;
  std::list<Call> calls;
  Loop::Owned sweep;
  Loop::Owned soon;
};

RedisClient::RedisClient(LibeventLoop& loop, std::string where)
    : loop_(loop), where_(std::move(where)) {}

RedisClient::~RedisClient() {
  // Pending callbacks must not run any more.
  for (Connection* one : {connection_.get(), retired_.get()}) {
    if (one == nullptr) continue;
    for (Connection::Call& call : one->calls) call.done = [](const Result<RedisReply>&) {};
  }
}

bool RedisClient::is_place(std::string_view where) {
  std::string host;
  int port = 0;
  return starts_with(where, "/") || split_place(where, host, port);
}

RedisClient::Connection* RedisClient::connection() {
  if (connection_ && !connection_->broken) return connection_.get();
  if (loop_.now_us() < try_again_us_) return nullptr;
  if (retired_) return nullptr;
  try_again_us_ = loop_.now_us() + kPause_us;
  if (connection_) {
    retired_ = std::move(connection_);
    reaper_ = loop_.after(0, [this] { retired_.reset(); });
  }
  std::string host;
  int port = 0;
  redisAsyncContext* context = split_place(where_, host, port)
                                   ? redisAsyncConnect(host.c_str(), port)
                                   : redisAsyncConnectUnix(where_.c_str());
  if (context == nullptr) return nullptr;
  if (context->err != 0) {
    redisAsyncFree(context);
    return nullptr;
  }
  connection_ = std::make_unique<Connection>(loop_, context);
  return connection_.get();
}

void RedisClient::command(const std::vector<std::string>& words, Done done) {
  Connection* to = connection();
  if (to == nullptr) return done(kNoServer);
  to->send(words, std::move(done));
}

}  // namespace qv::event
