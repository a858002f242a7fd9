// SPDX-License-Identifier: 0BSD
#include "helper/pool.h"

#include <errno.h>

#include <algorithm>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "core/check.h"
#include "helper/crew.h"
#include "helper/outbox.h"
#include "helper/queue.h"

namespace qv::helper {

namespace {

// The loop's timers go by a coarse clock and may fire this much before their time.
constexpr std::int64_t kTimerEarlyUs = 5000;

Error keeper_is_gone() { return {Fault::retry, EPIPE, "helper"}; }

}  // namespace

// Invariant: every request is in exactly one of queue_, busy_ and outbox_; a worker is in exactly
// one of idle_ and busy_; what is in busy_ was handed out by queue_ and is not done.
class Pool::Engine final : private Crew::Events {
 public:
  Engine(Loop& loop, Keeper keeper, const PoolSettings& settings, Observer observer)
      : loop_(loop),
        settings_(settings),
        crew_(loop, std::move(keeper), *this, std::move(observer)),
        queue_(settings.queue, settings.per_owner),
        outbox_(loop) {
    QV_CHECK(settings.workers > 0 && settings.per_owner > 0);
  }

  void ask(const Request& request, Callback callback);
  [[nodiscard]] bool alive() const { return crew_.alive(); }
  [[nodiscard]] Counts counts() const;

 private:
  void worker_ready(Crew::Number worker) override;
  void worker_answered(Crew::Number worker, const Response& response, Fd file) override;
  void worker_lost(Crew::Number worker) override;
  void place_changed() override;
  void keeper_gone() override;

  void dispatch();
  [[nodiscard]] bool give_to_idle(AskedOne& one);
  void start_more();
  // Takes the request out of the worker's hands; empty where it has none.
  [[nodiscard]] AskedOne take_back(Crew::Number worker);
  void try_again(AskedOne one);

  void finish(Asked& asked, Result<Reply> result);
  void finish_all(std::list<Asked> asked, const Error& error);

  void watch_time();
  void expire();

  Loop& loop_;
  PoolSettings settings_;
  Crew crew_;
  Queue queue_;
  std::map<Crew::Number, AskedOne> busy_;
  std::vector<Crew::Number> idle_;  // the one that worked last is asked first: its cache is warm
  Outbox outbox_;
  Loop::Owned timer_;
  std::uint64_t next_serial_ = 1;
  Counts totals_;
};

void Pool::Engine::ask(const Request& request, Callback callback) {
  ++totals_.asked;
  AskedOne one;
  one.push_back({request, std::move(callback), loop_.now_us() + settings_.time_limit_us, false});
  if (!crew_.alive()) {
    finish_all(std::move(one), keeper_is_gone());
    return outbox_.deliver_soon();
  }
  queue_.add_last(std::move(one));
  watch_time();
  dispatch();
  AskedOne excess = queue_.take_excess();
  totals_.overflowed += excess.size();
  finish_all(std::move(excess), Error{Fault::retry, EAGAIN, "helper"});
  outbox_.deliver_soon();
}

void Pool::Engine::dispatch() {
  while (!idle_.empty()) {
    AskedOne one = queue_.hand_out();
    if (one.empty()) break;
    if (give_to_idle(one)) continue;
    queue_.done(one.front().request);
    queue_.add_first(std::move(one));
  }
  start_more();
}

// False where no worker is left that can take it.
bool Pool::Engine::give_to_idle(AskedOne& one) {
  one.front().request.serial = next_serial_++;
  while (!idle_.empty()) {
    const Crew::Number worker = idle_.back();
    idle_.pop_back();
    if (!crew_.send(worker, one.front().request)) continue;
    busy_[worker] = std::move(one);
    return true;
  }
  return false;
}

// As many as there are requests that could go at once, within the bound.
void Pool::Engine::start_more() {
  const std::size_t serving = std::min<std::size_t>(settings_.workers, crew_.serving());
  if (crew_.starting() >= settings_.workers - serving) return;
  const std::size_t wanted = std::min(queue_.could_go(), settings_.workers - serving);
  while (crew_.starting() < wanted) {
    const std::size_t before = crew_.starting();
    crew_.start_one();
    if (crew_.starting() == before) return;
  }
}

AskedOne Pool::Engine::take_back(Crew::Number worker) {
  AskedOne one;
  const auto at = busy_.find(worker);
  if (at == busy_.end()) return one;
  one.swap(at->second);
  busy_.erase(at);
  queue_.done(one.front().request);
  return one;
}

void Pool::Engine::worker_ready(Crew::Number worker) {
  idle_.push_back(worker);
  dispatch();
  outbox_.deliver();
}

void Pool::Engine::worker_answered(Crew::Number worker, const Response& response, Fd file) {
  AskedOne one = take_back(worker);
  if (!one.empty() && answers(response, one.front().request)) {
    finish(one.front(), reply_from(one.front().request, response, std::move(file)));
    idle_.push_back(worker);
  } else {
    std::erase(idle_, worker);
    crew_.give_up(worker, Notice::worker_garbled, 0);
    try_again(std::move(one));
  }
  dispatch();
  outbox_.deliver();
}

void Pool::Engine::worker_lost(Crew::Number worker) {
  std::erase(idle_, worker);
  try_again(take_back(worker));
  dispatch();
  outbox_.deliver();
}

void Pool::Engine::try_again(AskedOne one) {
  if (one.empty()) return;
  if (one.front().tried_before) {
    return finish_all(std::move(one), Error{Fault::retry, EPIPE, "helper"});
  }
  ++totals_.retried;
  one.front().tried_before = true;
  queue_.add_first(std::move(one));
}

void Pool::Engine::place_changed() {
  dispatch();
  outbox_.deliver();
}

void Pool::Engine::keeper_gone() {
  while (!busy_.empty()) finish_all(take_back(busy_.begin()->first), keeper_is_gone());
  finish_all(queue_.take_all(), keeper_is_gone());
  idle_.clear();
  outbox_.deliver();
}

void Pool::Engine::finish(Asked& asked, Result<Reply> result) {
  outbox_.put(std::move(asked.callback), std::move(result));
}

void Pool::Engine::finish_all(std::list<Asked> asked, const Error& error) {
  for (Asked& one : asked) finish(one, error);
}

// One timer for all: deadlines come in the order of asking, so the first one armed is the first
// due, and a timer that finds nothing due arms itself anew.
void Pool::Engine::watch_time() {
  if (timer_ != nullptr) return;
  std::int64_t first_us = queue_.first_due_us();
  for (const auto& hands : busy_) first_us = std::min(first_us, hands.second.front().due_us);
  if (first_us == INT64_MAX) return;
  timer_ = loop_.after(first_us - loop_.now_us(), [this] {
    timer_.reset();
    expire();
  });
}

void Pool::Engine::expire() {
  const std::int64_t now_us = loop_.now_us() + kTimerEarlyUs;
  std::list<Asked> overdue = queue_.take_due(now_us);
  std::vector<Crew::Number> hung;
  for (const auto& hands : busy_) {
    if (hands.second.front().due_us <= now_us) hung.push_back(hands.first);
  }
  for (const Crew::Number worker : hung) {
    overdue.splice(overdue.end(), take_back(worker));
    crew_.give_up(worker, Notice::worker_overdue, ETIMEDOUT);
  }
  totals_.overdue += overdue.size();
  finish_all(std::move(overdue), Error{Fault::retry, ETIMEDOUT, "helper"});
  watch_time();
  dispatch();
  outbox_.deliver();
}

Pool::Counts Pool::Engine::counts() const {
  Counts counts = totals_;
  counts.idle = static_cast<std::uint32_t>(idle_.size());
  counts.busy = static_cast<std::uint32_t>(busy_.size());
  counts.dying = static_cast<std::uint32_t>(crew_.dying());
  counts.waiting = static_cast<std::uint32_t>(queue_.size());
  return counts;
}

const char* notice_name(Notice notice) {
  switch (notice) {
    case Notice::worker_started:
      return "worker_started";
    case Notice::worker_overdue:
      return "worker_overdue";
    case Notice::worker_died:
      return "worker_died";
    case Notice::worker_garbled:
      return "worker_garbled";
    case Notice::worker_refused:
      return "worker_refused";
    case Notice::keeper_gone:
      return "keeper_gone";
  }
  return "notice";
}

Pool::Pool(Loop& loop, Keeper keeper, const PoolSettings& settings, Observer observer)
    : engine_(std::make_unique<Engine>(loop, std::move(keeper), settings, std::move(observer))) {}
Pool::~Pool() = default;

void Pool::ask(const Request& request, Callback callback) {
  engine_->ask(request, std::move(callback));
}
bool Pool::alive() const { return engine_->alive(); }
Pool::Counts Pool::counts() const { return engine_->counts(); }

}  // namespace qv::helper
