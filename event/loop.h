// SPDX-License-Identifier: 0BSD
// event/loop.h - one thread that waits for descriptors, times and signals.
//
// The interface of every daemon's loop.  libevent_loop.h implements it; tests/fakes/fake_loop.h has
// a clock that a test sets.  Callbacks run only from run(), one at a time; a callback may create
// and destroy any watch or timer, including its own.
//
// Threads: none.  Tests: tests/event/loop_test.cc
#ifndef QV_EVENT_LOOP_H_
#define QV_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>

namespace qv::event {

class Loop {
 public:
  using Callback = std::function<void()>;

  // Destroying a Handle ends the watch or timer; its callback is not called again.
  class Handle {
   public:
    virtual ~Handle() = default;
    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
  };
  using Owned = std::unique_ptr<Handle>;

  virtual ~Loop() = default;
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Microseconds on the monotonic clock (core/clock.h).
  [[nodiscard]] virtual std::int64_t now_us() const = 0;

  // Calls back whenever `fd` is readable (also at end of file and on error), or writable, as long
  // as the handle lives.  REQUIRES: fd stays open that long.
  [[nodiscard]] virtual Owned when_readable(int fd, Callback callback) = 0;
  [[nodiscard]] virtual Owned when_writable(int fd, Callback callback) = 0;

  // Calls back once, `delay_us` from now (0: as soon as the loop turns), or every `period_us`.
  [[nodiscard]] virtual Owned after(std::int64_t delay_us, Callback callback) = 0;
  [[nodiscard]] virtual Owned every(std::int64_t period_us, Callback callback) = 0;

  // Calls back, outside signal context, after each arrival of the signal.
  [[nodiscard]] virtual Owned on_signal(int signal_number, Callback callback) = 0;

  // Waits and calls back until stop(); stop() lets the running callback finish.
  virtual void run() = 0;
  virtual void stop() = 0;
};

}  // namespace qv::event

#endif  // QV_EVENT_LOOP_H_
