// SPDX-License-Identifier: 0BSD
// tests/fakes/fake_loop.h - a Loop whose clock a test sets and whose descriptors it declares ready.
#ifndef QV_TESTS_FAKES_FAKE_LOOP_H_
#define QV_TESTS_FAKES_FAKE_LOOP_H_

#include <cstdint>
#include <list>
#include <utility>

#include "event/loop.h"

namespace qv {

class FakeLoop final : public event::Loop {
 public:
  ~FakeLoop() override;

  [[nodiscard]] std::int64_t now_us() const override { return now_us_; }
  [[nodiscard]] Owned when_readable(int fd, Callback callback) override;
  [[nodiscard]] Owned when_writable(int fd, Callback callback) override;
  [[nodiscard]] Owned after(std::int64_t delay_us, Callback callback) override;
  [[nodiscard]] Owned every(std::int64_t period_us, Callback callback) override;
  [[nodiscard]] Owned on_signal(int signal_number, Callback callback) override;
  // Runs what is due now, without waiting; stops early at stop().
  void run() override;
  void stop() override { stopped_ = true; }

  // Lets time pass; timers fire in order, each at its own moment.
  void advance_us(std::int64_t us);
  // Calls back those waiting for it; returns how many there were.
  int make_readable(int fd);
  int make_writable(int fd);
  int raise_signal(int signal_number);
  // Calls back those whose descriptors are really ready to be read, until none is.
  void serve_ready();

 private:
  enum class Kind : std::uint8_t { readable, writable, timer, signal };
  struct Entry {
    Kind kind;
    int number;              // descriptor or signal
    std::int64_t due_us;     // timers
    std::int64_t period_us;  // 0: once
    std::uint64_t serial;
    bool gone;
    Callback callback;
  };
  class FakeHandle;

  Owned add(Kind kind, int number, std::int64_t due_us, std::int64_t period_us, Callback callback);
  int fire(Kind kind, int number);
  Entry* next_due(std::int64_t until_us);
  void forget_gone();

  std::int64_t now_us_ = 1000000;
  std::uint64_t next_serial_ = 1;
  int depth_ = 0;
  bool stopped_ = false;
  std::list<Entry> entries_;
};

}  // namespace qv

#endif  // QV_TESTS_FAKES_FAKE_LOOP_H_
