// SPDX-License-Identifier: 0BSD
// event/libevent_loop.h - the Loop on top of libevent.
#ifndef QV_EVENT_LIBEVENT_LOOP_H_
#define QV_EVENT_LIBEVENT_LOOP_H_

#include <memory>

#include "event/loop.h"

struct event_base;

namespace qv::event {

class LibeventLoop final : public Loop {
 public:
  LibeventLoop();
  ~LibeventLoop() override;

  [[nodiscard]] std::int64_t now_us() const override;
  [[nodiscard]] Owned when_readable(int fd, Callback callback) override;
  [[nodiscard]] Owned when_writable(int fd, Callback callback) override;
  [[nodiscard]] Owned after(std::int64_t delay_us, Callback callback) override;
  [[nodiscard]] Owned every(std::int64_t period_us, Callback callback) override;
  [[nodiscard]] Owned on_signal(int signal_number, Callback callback) override;
  void run() override;
  void stop() override;

  // For the other files of this room.
  [[nodiscard]] event_base* base() { return base_; }

 private:
  event_base* base_;
};

}  // namespace qv::event

#endif  // QV_EVENT_LIBEVENT_LOOP_H_
