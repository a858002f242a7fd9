// SPDX-License-Identifier: 0BSD
// event/redis_client.h - commands to a Redis server, without waiting.
//
// hiredis's asynchronous client on a Loop.  A server that is gone, or does not answer within the
// time limit, is an Error for every command under way; it is connected to again at most once a
// second, with the next command.
//
// Threads: none.  Blocking: never.  Tests: tests/e2e/probe.py, with a real server
#ifndef QV_EVENT_REDIS_CLIENT_H_
#define QV_EVENT_REDIS_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "event/loop.h"

namespace qv {

struct RedisReply {
  enum class Type : std::uint8_t { nil, text, number, list } type = Type::nil;
  std::string text;               // of text; status replies ("OK") are text too
  std::int64_t number = 0;        // of number
  std::vector<RedisReply> items;  // of list
};

class RedisClient {
 public:
  using Done = std::function<void(Result<RedisReply>)>;

  static constexpr std::int64_t kLimit_us = 500000;  // a command's time

  // `where`: "ADDRESS:PORT", "[IPv6]:PORT" or "/path".  Connects with the first command.
  // REQUIRES: `loop` outlives the client.
  RedisClient(Loop& loop, std::string where);
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // Sends a command.  `done` is called once, perhaps from within this call where there is no
  // server; not after the client is gone.  Error: no answer (retry), or one that says so (config).
  void command(const std::vector<std::string>& words, Done done);

  // Whether `where` is one that can be used.
  [[nodiscard]] static bool is_place(std::string_view where);

 private:
  struct Connection;
  [[nodiscard]] Connection* connection();

  Loop& loop_;
  std::string where_;
  std::int64_t try_again_us_ = 0;
  std::unique_ptr<Connection> connection_;
  // One that has broken and may still be on the stack: gone when the loop turns.
  std::unique_ptr<Connection> retired_;
  Loop::Owned bury_;
};

}  // namespace qv

#endif  // QV_EVENT_REDIS_CLIENT_H_
