// SPDX-License-Identifier: 0BSD
#include "event/libevent_loop.h"

#include <event2/event.h>

#include <utility>

#include "core/check.h"
#include "core/clock.h"

namespace qv::event {

namespace {

timeval to_timeval(std::int64_t us) {
  if (us < 0) us = 0;
  return {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

class EventHandle final : public Loop::Handle {
 public:
  // `what` as event_new() takes it; `period_us` < 0: no time limit.
  EventHandle(event_base* base, int fd_or_signal, short what, std::int64_t period_us,
              Loop::Callback callback)
      : callback_(std::move(callback)),
        event_(event_new(base, fd_or_signal, what, &EventHandle::fired, this)) {
    QV_CHECK(event_ != nullptr);
    const timeval limit = to_timeval(period_us);
    QV_CHECK(event_add(event_, period_us < 0 ? nullptr : &limit) == 0);
  }
  ~EventHandle() override { event_free(event_); }

 private:
  static void fired(evutil_socket_t /*fd*/, short /*what*/, void* self) noexcept {
    // The callback may destroy this handle and itself with it: run a copy.
    const Loop::Callback callback = static_cast<EventHandle*>(self)->callback_;
    callback();
  }

  Loop::Callback callback_;
  ::event* event_;
};

}  // namespace

LibeventLoop::LibeventLoop() : base_(event_base_new()) { QV_CHECK(base_ != nullptr); }

LibeventLoop::~LibeventLoop() { event_base_free(base_); }

std::int64_t LibeventLoop::now_us() const { return monotonic_us(); }

Loop::Owned LibeventLoop::when_readable(int fd, Callback callback) {
  return std::make_unique<EventHandle>(base_, fd, EV_READ | EV_PERSIST, -1, std::move(callback));
}

Loop::Owned LibeventLoop::when_writable(int fd, Callback callback) {
  return std::make_unique<EventHandle>(base_, fd, EV_WRITE | EV_PERSIST, -1, std::move(callback));
}

Loop::Owned LibeventLoop::after(std::int64_t delay_us, Callback callback) {
  return std::make_unique<EventHandle>(base_, -1, 0, delay_us < 0 ? 0 : delay_us,
                                       std::move(callback));
}

Loop::Owned LibeventLoop::every(std::int64_t period_us, Callback callback) {
  QV_CHECK(period_us > 0);
  return std::make_unique<EventHandle>(base_, -1, EV_PERSIST, period_us, std::move(callback));
}

Loop::Owned LibeventLoop::on_signal(int signal_number, Callback callback) {
  return std::make_unique<EventHandle>(base_, signal_number, EV_SIGNAL | EV_PERSIST, -1,
                                       std::move(callback));
}

void LibeventLoop::run() { event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY); }

void LibeventLoop::stop() { event_base_loopbreak(base_); }

}  // namespace qv::event
