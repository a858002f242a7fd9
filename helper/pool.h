// SPDX-License-Identifier: 0BSD
// helper/pool.h - look-ups that may block, asked of agents.
//
// A thin layer over process/pool.h: a request's account is the subject of its job and its lane, so
// that a home that hangs holds up nothing else; login names and the password file have a lane each.
//
// Threads: none; belongs to one event loop.  Blocking: none.  Tests: tests/helper/pool_test.cc
#ifndef QV_HELPER_POOL_H_
#define QV_HELPER_POOL_H_

#include <functional>

#include "helper/reply.h"
#include "helper/request.h"
#include "process/pool.h"

namespace qv::helper {

class Pool : public process::Pool {
 public:
  using Callback = std::function<void(Result<Reply>)>;

  // As process::Pool; `settings.accepts` is seen to.
  Pool(Loop& loop, process::Spawner spawner, process::PoolSettings settings, Observer observer);

  // Calls back once, from the loop: a Reply; the agent's own fault and errno; or the errors of
  // process::Pool.
  void ask(const Request& request, Callback callback);
};

}  // namespace qv::helper

#endif  // QV_HELPER_POOL_H_
