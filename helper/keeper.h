// SPDX-License-Identifier: 0BSD
// helper/keeper.h - the small process that keeps root's rights and starts the workers.
//
// The front forks it before it gives up its own rights and before it binds anything, so that
// neither the keeper nor a worker ever holds a socket of the network.  The keeper knows two orders,
// both of fixed size: start a worker, kill a worker.  It bounds the living ones - those that were
// killed and cannot die yet count - and ends, killing all of them, when the front is gone.
//
//   front -- Order --> keeper -- fork --> worker
//   front <-- News (started + socket, refused, ended) -- keeper
//
// Threads: none.  Blocking: the keeper waits; start_keeper() does not.
// Tests: tests/helper/keeper_test.cc
#ifndef QV_HELPER_KEEPER_H_
#define QV_HELPER_KEEPER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"

namespace qv::helper {

struct KeeperSettings {
  std::string passwd_path = "/etc/passwd";
  // Whom a worker becomes to read the password file and to ask NSS; that needs no rights.  Where
  // the program is not root this is not used.
  uid_t account_uid = 65534;
  gid_t account_gid = 65534;
  std::uint32_t max_processes = 16;  // living workers, dying ones included
};

// The front's hold on its keeper.  Closing the socket ends the keeper and every worker.
struct Keeper {
  Fd socket;  // SOCK_SEQPACKET, close-on-exec
  pid_t pid = -1;
};

// Forks the keeper.  REQUIRES: called before sockets are bound and before rights are given up; no
// threads.  Errors: Fault::retry with the errno of socketpair or fork.
[[nodiscard]] Result<Keeper> start_keeper(const KeeperSettings& settings);

// ---- the two messages ---------------------------------------------------------------------------

inline constexpr std::uint32_t kOrderMagic = 0x71764b31;

enum class Command : std::uint32_t { start = 1, kill = 2 };

struct Order {
  std::uint32_t magic = kOrderMagic;
  Command command = Command::start;
  std::uint64_t worker = 0;  // number given by the front; never given twice
};

enum class Event : std::uint32_t {
  started = 1,  // the front's end of the worker's socket comes with it
  refused = 2,  // none was started: `errnum` says why (EAGAIN: as many as may live)
  ended = 3,    // it is gone and no longer counts
};

struct News {
  std::uint32_t magic = kOrderMagic;
  Event event = Event::started;
  std::uint64_t worker = 0;
  std::int32_t errnum = 0;
  std::int32_t pid = 0;
};

// A message of any bytes as an Order, as News; Fault::protocol where it is none.
[[nodiscard]] Result<Order> validate_order(std::string_view message);
[[nodiscard]] Result<News> validate_news(std::string_view message);

}  // namespace qv::helper

#endif  // QV_HELPER_KEEPER_H_
