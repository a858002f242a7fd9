// SPDX-License-Identifier: 0BSD
// helper/queue.h - the requests that wait for a worker, and who may go next.
//
// A lane is what can hang as one: the home of one owner, NSS, the password file.  First come, first
// served, but for lanes that have as many requests with workers as they may: those wait, and others
// pass them.
//
// Threads: none.  Tests: tests/helper/queue_test.cc
#ifndef QV_HELPER_QUEUE_H_
#define QV_HELPER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "helper/pool.h"
#include "helper/request.h"

namespace qv::helper {

// One request from ask() to its callback.
struct Asked {
  Request request;
  Pool::Callback callback;
  std::int64_t due_us = 0;
  bool tried_before = false;
};

// A request on its way is a list of one: moving it moves no bytes and allocates nothing.
using AskedOne = std::list<Asked>;

class Queue {
 public:
  // REQUIRES: per_lane > 0.
  Queue(std::uint32_t limit, std::uint32_t per_lane) : limit_(limit), per_lane_(per_lane) {}

  [[nodiscard]] std::size_t size() const { return waiting_.size(); }

  void add_last(AskedOne one);
  void add_first(AskedOne one);  // one that was handed out before

  // The next that may go, counted as being with a worker until done(); empty where none may.
  [[nodiscard]] AskedOne hand_out();
  // One that was handed out is not with a worker any more.
  void done(const Request& request);

  // How many could be handed out now.
  [[nodiscard]] std::size_t could_go() const;

  // The last one, where the queue is longer than its limit, or half of it filled with the lane of
  // the last one: a lane that hangs must leave room for others.  Empty where all is well.
  [[nodiscard]] AskedOne take_excess();
  // All that are due at `now_us`; all there are.
  [[nodiscard]] std::list<Asked> take_due(std::int64_t now_us);
  [[nodiscard]] std::list<Asked> take_all();

  // When the first is due; INT64_MAX where none waits.
  [[nodiscard]] std::int64_t first_due_us() const;

 private:
  struct Lane {
    std::uint32_t waiting = 0;
    std::uint32_t with_workers = 0;
  };

  [[nodiscard]] AskedOne take(std::list<Asked>::iterator at);
  void forget_if_empty(std::uint64_t lane);

  std::uint32_t limit_;
  std::uint32_t per_lane_;
  std::list<Asked> waiting_;
  // Invariant: counts what waits and what was handed out; no lane with neither.
  std::unordered_map<std::uint64_t, Lane> lanes_;
};

}  // namespace qv::helper

#endif  // QV_HELPER_QUEUE_H_
