// SPDX-License-Identifier: 0BSD
// helper/outbox.h - results on their way to those who asked.
//
// Who asks is called back from the loop, and never from inside another callback: what is put in
// while callbacks run goes out in the loop's next turn.
//
// Threads: none; belongs to one event loop.  Tests: tests/helper/outbox_test.cc
#ifndef QV_HELPER_OUTBOX_H_
#define QV_HELPER_OUTBOX_H_

#include <functional>
#include <list>
#include <memory>

#include "core/result.h"
#include "event/loop.h"
#include "helper/reply.h"

namespace qv::helper {

class Outbox {
 public:
  using Callback = std::function<void(Result<Reply>)>;

  // REQUIRES: `loop` outlives this object.
  explicit Outbox(Loop& loop) : loop_(loop) {}

  void put(Callback callback, Result<Reply> result);

  // Calls back now.  REQUIRES: called from the loop.  A callback may destroy this object: the
  // caller must not touch it, or what owns it, afterwards.
  void deliver();
  // Calls back in the loop's next turn, where there is anything.
  void deliver_soon();

 private:
  struct Finished {
    Callback callback;
    Result<Reply> result;
  };

  Loop& loop_;
  std::list<Finished> finished_;
  Loop::Owned soon_;
  // Gone when this object is.
  std::shared_ptr<char> here_ = std::make_shared<char>();
};

}  // namespace qv::helper

#endif  // QV_HELPER_OUTBOX_H_
