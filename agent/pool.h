// SPDX-License-Identifier: 0BSD
// agent/pool.h - the pool of agents, for look-ups that may block.
//
// A thin layer over process/pool.h: a request's account is the subject and the lane of its job, so
// that a home that hangs delays nothing else; login names and the password file have a lane each.
//
// Threads: none; belongs to one event loop.  Blocking: none.  Tests: tests/agent/pool_test.cc
#ifndef QV_AGENT_POOL_H_
#define QV_AGENT_POOL_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "agent/request.h"
#include "core/fd.h"
#include "core/result.h"
#include "process/pool.h"

namespace qv::agent {

// What an agent found.
struct Reply {
  Outcome outcome = Outcome::absent;
  // passwd_index: the table.  home_index, found: the table, or not valid where the directory may
  // be entered but not listed (no permission, or too many names): ask home_file for each name.
  // home_file: the contents, where wanted.  A sealed memory file, which cannot change.
  Fd file;
  control::FileStamp stamp;  // of the password file, of the home directory, of the file
  std::uint64_t size = 0;  // home_file: bytes of the file, `file` holds at most kMaxContents of it
  // home_table, found: which of the keys, if any, is in the table.
  maps::TableFinding table;
  uid_t uid = 0;  // passwd_user, found; home_index, found: who owns the directory
  gid_t gid = 0;
  std::string user;
  std::string home;  // empty where it is missing or not absolute
};

class Pool : public process::Pool {
 public:
  using Callback = std::function<void(Result<Reply>)>;

  // As process::Pool; sets `settings.accepts`.
  Pool(event::Loop& loop, process::Spawner spawner, process::PoolSettings settings,
       Observer observer);

  // Calls back once, from the loop: a Reply; the agent's own fault and errno; or the errors of
  // process::Pool.
  void ask(const Request& request, Callback callback);
};

}  // namespace qv::agent

#endif  // QV_AGENT_POOL_H_
