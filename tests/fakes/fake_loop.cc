// SPDX-License-Identifier: 0BSD
#include "tests/fakes/fake_loop.h"

#include <poll.h>

namespace qv {

// Entries stay in the list until nothing runs: a callback may destroy any handle.
class FakeLoop::FakeHandle final : public event::Loop::Handle {
 public:
  FakeHandle(FakeLoop& loop, Entry& entry) : loop_(loop), entry_(entry) {}
  ~FakeHandle() override {
    entry_.gone = true;
    loop_.forget_gone();
  }

 private:
  FakeLoop& loop_;
  Entry& entry_;
};

FakeLoop::~FakeLoop() = default;

event::Loop::Owned FakeLoop::add(Kind kind, int number, std::int64_t due_us, std::int64_t period_us,
                                 Callback callback) {
  entries_.push_back({kind, number, due_us, period_us, next_serial_++, false, std::move(callback)});
  return std::make_unique<FakeHandle>(*this, entries_.back());
}

event::Loop::Owned FakeLoop::when_readable(int fd, Callback callback) {
  return add(Kind::readable, fd, 0, 0, std::move(callback));
}
event::Loop::Owned FakeLoop::when_writable(int fd, Callback callback) {
  return add(Kind::writable, fd, 0, 0, std::move(callback));
}
event::Loop::Owned FakeLoop::after(std::int64_t delay_us, Callback callback) {
  return add(Kind::timer, -1, now_us_ + (delay_us < 0 ? 0 : delay_us), 0, std::move(callback));
}
event::Loop::Owned FakeLoop::every(std::int64_t period_us, Callback callback) {
  return add(Kind::timer, -1, now_us_ + period_us, period_us, std::move(callback));
}
event::Loop::Owned FakeLoop::on_signal(int signal_number, Callback callback) {
  return add(Kind::signal, signal_number, 0, 0, std::move(callback));
}

FakeLoop::Entry* FakeLoop::next_due(std::int64_t until_us) {
  Entry* best = nullptr;
  for (Entry& entry : entries_) {
    if (entry.kind != Kind::timer || entry.gone || entry.due_us > until_us) continue;
    if (best == nullptr || entry.due_us < best->due_us ||
        (entry.due_us == best->due_us && entry.serial < best->serial)) {
      best = &entry;
    }
  }
  return best;
}

void FakeLoop::forget_gone() {
  if (depth_ == 0) std::erase_if(entries_, [](const Entry& entry) { return entry.gone; });
}

void FakeLoop::advance_us(std::int64_t us) {
  const std::int64_t until_us = now_us_ + us;
  ++depth_;
  while (Entry* entry = next_due(until_us)) {
    if (entry->due_us > now_us_) now_us_ = entry->due_us;
    entry->serial = next_serial_++;
    if (entry->period_us > 0) {
      entry->due_us += entry->period_us;
    } else {
      entry->due_us = INT64_MAX;
    }
    const Callback callback = entry->callback;
    callback();
  }
  --depth_;
  now_us_ = until_us;
  forget_gone();
}

void FakeLoop::run() {
  stopped_ = false;
  ++depth_;
  while (!stopped_) {
    Entry* entry = next_due(now_us_);
    if (entry == nullptr) break;
    entry->serial = next_serial_++;
    entry->due_us = entry->period_us > 0 ? entry->due_us + entry->period_us : INT64_MAX;
    const Callback callback = entry->callback;
    callback();
  }
  --depth_;
  forget_gone();
}

int FakeLoop::fire(Kind kind, int number) {
  int called = 0;
  ++depth_;
  for (Entry& entry : entries_) {
    if (entry.kind != kind || entry.number != number || entry.gone) continue;
    const Callback callback = entry.callback;
    callback();
    ++called;
  }
  --depth_;
  forget_gone();
  return called;
}

int FakeLoop::make_readable(int fd) { return fire(Kind::readable, fd); }
int FakeLoop::make_writable(int fd) { return fire(Kind::writable, fd); }
int FakeLoop::raise_signal(int signal_number) { return fire(Kind::signal, signal_number); }

void FakeLoop::serve_ready() {
  for (bool again = true; again;) {
    again = false;
    ++depth_;
    for (Entry& entry : entries_) {
      if (entry.kind != Kind::readable || entry.gone) continue;
      pollfd watch{entry.number, POLLIN, 0};
      if (poll(&watch, 1, 0) <= 0) continue;
      const Callback callback = entry.callback;
      callback();
      again = true;
    }
    --depth_;
    forget_gone();
  }
}

}  // namespace qv
