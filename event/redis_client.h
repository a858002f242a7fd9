// SPDX-License-Identifier: 0BSD
// event/redis_client.h - asynchronous commands to a Redis server, by hiredis on libevent.
//
// When the server disconnects or exceeds the time limit, every command under way gets an Error.  A
// later command connects again, at most once a second.
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
#include "event/libevent_loop.h"

namespace qv::event {

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
  RedisClient(LibeventLoop& loop, std::string where);
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // Sends a command.  `done` is called once, from within this call where there is no server, and
  // not after the client's destruction.  Errors: no answer (retry), an error reply (config).
  void command(const std::vector<std::string>& words, Done done);

  // True if `where` has one of these forms.
  [[nodiscard]] static bool is_place(std::string_view where);

 private:
  struct Connection;
  [[nodiscard]] Connection* connection();

  LibeventLoop& loop_;
  std::string where_;
  std::int64_t try_again_us_ = 0;
  std::unique_ptr<Connection> connection_;
  // A broken one, which may still be on the stack: destroyed by the next turn of the loop.
  std::unique_ptr<Connection> retired_;
  Loop::Owned reaper_;
};

}  // namespace qv::event

#endif  // QV_EVENT_REDIS_CLIENT_H_
