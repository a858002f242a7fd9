// SPDX-License-Identifier: 0BSD
#include "helper/pool.h"

#include <errno.h>

#include <algorithm>
#include <list>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/check.h"
#include "helper/crew.h"

namespace qv::helper {

namespace {

// The loop's timers go by a coarse clock and may fire this much before their time.
constexpr std::int64_t kTimerEarlyUs = 5000;

// One request from ask() to its callback.
struct Asked {
  Request request;
  Pool::Callback callback;
  std::int64_t due_us;
  std::uint64_t lane;
  bool tried_before;
};

// How many requests of a lane wait, and how many are with workers.
struct Lane {
  std::uint32_t waiting = 0;
  std::uint32_t busy = 0;
};

struct Finished {
  Pool::Callback callback;
  Result<Reply> result;
};

// Requests of one lane share what may hang: a home's file system, NSS, the password file.
std::uint64_t lane_of(const Request& request) {
  constexpr std::uint64_t kHomes = std::uint64_t{1} << 32;
  switch (request.op) {
    case Op::passwd_index:
      return 0;
    case Op::passwd_user:
      return 1;
    case Op::home_index:
    case Op::home_file:
      return kHomes | request.uid;
  }
  return 0;
}

const char* subject_of(Op op) {
  switch (op) {
    case Op::passwd_index:
      return "password file";
    case Op::passwd_user:
      return "user look-up";
    case Op::home_index:
      return "home directory";
    case Op::home_file:
      return "file in home";
  }
  return "helper";
}

Result<Reply> to_result(Op op, const Response& response, Fd file) {
  if (response.failed == 1) return Error{response.fault, response.errnum, subject_of(op)};
  Reply reply;
  reply.outcome = response.outcome;
  reply.file = std::move(file);
  reply.stamp = response.stamp;
  reply.size = response.size;
  reply.uid = response.uid;
  reply.gid = response.gid;
  reply.user = response.user_view();
  reply.home = response.home_view();
  return reply;
}

}  // namespace

// Invariant: every request is in exactly one of waiting_, busy_ and finished_; a worker is in
// exactly one of idle_ and busy_; lanes_ counts waiting_ and busy_ by lane, without empty ones.
class Pool::Engine final : private Crew::Events {
 public:
  Engine(Loop& loop, Keeper keeper, const PoolSettings& settings, Observer observer)
      : loop_(loop),
        settings_(settings),
        crew_(loop, std::move(keeper), *this, std::move(observer)) {
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

  [[nodiscard]] bool may_go(const Asked& asked) const;
  [[nodiscard]] std::list<Asked>::iterator next_to_go();
  [[nodiscard]] bool give_to_idle(std::list<Asked>::iterator asked);
  void dispatch();
  void start_more();
  // Takes the request out of the worker's hands.
  [[nodiscard]] std::list<Asked> take_back(Crew::Number worker);
  void try_again(std::list<Asked> asked);
  void put_in_queue(std::list<Asked> asked, std::list<Asked>::iterator before);
  [[nodiscard]] bool too_many_wait(std::uint64_t lane) const;
  void forget_if_empty(std::uint64_t lane);

  void finish_waiting(std::list<Asked>::iterator asked, const Error& error);
  void finish(std::list<Asked>& from, std::list<Asked>::iterator asked, Result<Reply> result);
  void finish_soon();
  void call_back();

  void watch_time();
  void expire();

  Loop& loop_;
  PoolSettings settings_;
  Crew crew_;
  std::list<Asked> waiting_;
  std::map<Crew::Number, std::list<Asked>> busy_;
  std::vector<Crew::Number> idle_;  // the one that worked last is asked first: its cache is warm
  std::unordered_map<std::uint64_t, Lane> lanes_;
  std::list<Finished> finished_;
  Loop::Owned soon_;
  Loop::Owned timer_;
  std::uint64_t next_serial_ = 1;
  Counts totals_;
  // Gone when this object is: a callback may destroy the pool.
  std::shared_ptr<char> here_ = std::make_shared<char>();
};

void Pool::Engine::ask(const Request& request, Callback callback) {
  ++totals_.asked;
  const std::uint64_t lane = lane_of(request);
  std::list<Asked> asked;
  asked.push_back(
      {request, std::move(callback), loop_.now_us() + settings_.time_limit_us, lane, false});
  put_in_queue(std::move(asked), waiting_.end());
  if (!crew_.alive()) {
    finish_waiting(std::prev(waiting_.end()), Error{Fault::retry, EPIPE, "helper"});
    return finish_soon();
  }
  watch_time();
  dispatch();
  // Where nobody could take it, it is the last that waits.
  if (too_many_wait(lane)) {
    ++totals_.overflowed;
    finish_waiting(std::prev(waiting_.end()), Error{Fault::retry, EAGAIN, "helper"});
  }
  if (!finished_.empty()) finish_soon();
}

// A lane that hangs gets no more than half of the queue, so that others can still wait a moment.
bool Pool::Engine::too_many_wait(std::uint64_t lane) const {
  if (waiting_.size() > settings_.queue) return true;
  const auto at = lanes_.find(lane);
  return at != lanes_.end() && at->second.waiting > (settings_.queue + 1) / 2 &&
         waiting_.back().lane == lane;
}

void Pool::Engine::put_in_queue(std::list<Asked> asked, std::list<Asked>::iterator before) {
  ++lanes_[asked.front().lane].waiting;
  waiting_.splice(before, asked);
}

void Pool::Engine::forget_if_empty(std::uint64_t lane) {
  const auto at = lanes_.find(lane);
  if (at->second.waiting == 0 && at->second.busy == 0) lanes_.erase(at);
}

bool Pool::Engine::may_go(const Asked& asked) const {
  return lanes_.find(asked.lane)->second.busy < settings_.per_owner;
}

std::list<Asked>::iterator Pool::Engine::next_to_go() {
  return std::find_if(waiting_.begin(), waiting_.end(),
                      [this](const Asked& asked) { return may_go(asked); });
}

// False where no worker is left to take it.
bool Pool::Engine::give_to_idle(std::list<Asked>::iterator asked) {
  asked->request.serial = next_serial_++;
  while (!idle_.empty()) {
    const Crew::Number worker = idle_.back();
    idle_.pop_back();
    if (!crew_.send(worker, asked->request)) continue;
    Lane& lane = lanes_.find(asked->lane)->second;
    --lane.waiting;
    ++lane.busy;
    std::list<Asked>& hands = busy_[worker];
    hands.splice(hands.end(), waiting_, asked);
    return true;
  }
  return false;
}

void Pool::Engine::dispatch() {
  while (!idle_.empty()) {
    const auto asked = next_to_go();
    if (asked == waiting_.end() || !give_to_idle(asked)) break;
  }
  start_more();
}

// As many as there are requests that could go at once, within the bound.
void Pool::Engine::start_more() {
  std::size_t wanted = 0;
  const std::size_t most =
      settings_.workers - std::min<std::size_t>(settings_.workers, crew_.serving());
  for (const auto& lane : lanes_) {
    const std::uint32_t busy = std::min(lane.second.busy, settings_.per_owner);
    wanted += std::min(lane.second.waiting, settings_.per_owner - busy);
    if (wanted >= most) break;
  }
  while (crew_.starting() < std::min(wanted, most)) {
    const std::size_t before = crew_.starting();
    crew_.start_one();
    if (crew_.starting() == before) return;
  }
}

std::list<Asked> Pool::Engine::take_back(Crew::Number worker) {
  std::list<Asked> hands;
  const auto at = busy_.find(worker);
  if (at == busy_.end()) return hands;
  hands.swap(at->second);
  busy_.erase(at);
  const std::uint64_t lane = hands.front().lane;
  --lanes_.find(lane)->second.busy;
  forget_if_empty(lane);
  return hands;
}

void Pool::Engine::worker_ready(Crew::Number worker) {
  idle_.push_back(worker);
  dispatch();
  call_back();
}

void Pool::Engine::worker_answered(Crew::Number worker, const Response& response, Fd file) {
  std::list<Asked> hands = take_back(worker);
  const bool answers = !hands.empty() && hands.front().request.serial == response.serial;
  if (answers) {
    const Op op = hands.front().request.op;
    finish(hands, hands.begin(), to_result(op, response, std::move(file)));
    idle_.push_back(worker);
  } else {
    std::erase(idle_, worker);
    crew_.give_up(worker, Notice::worker_garbled, 0);
    try_again(std::move(hands));
  }
  dispatch();
  call_back();
}

void Pool::Engine::worker_lost(Crew::Number worker) {
  std::erase(idle_, worker);
  try_again(take_back(worker));
  dispatch();
  call_back();
}

void Pool::Engine::try_again(std::list<Asked> asked) {
  if (asked.empty()) return;
  if (asked.front().tried_before) {
    return finish(asked, asked.begin(), Error{Fault::retry, EPIPE, "helper"});
  }
  ++totals_.retried;
  asked.front().tried_before = true;
  put_in_queue(std::move(asked), waiting_.begin());
}

void Pool::Engine::place_changed() {
  dispatch();
  call_back();
}

void Pool::Engine::keeper_gone() {
  const Error error{Fault::retry, EPIPE, "helper"};
  for (auto& hands : busy_) finish(hands.second, hands.second.begin(), error);
  while (!waiting_.empty()) finish(waiting_, waiting_.begin(), error);
  busy_.clear();
  idle_.clear();
  lanes_.clear();
  call_back();
}

void Pool::Engine::finish_waiting(std::list<Asked>::iterator asked, const Error& error) {
  const std::uint64_t lane = asked->lane;
  --lanes_.find(lane)->second.waiting;
  forget_if_empty(lane);
  finish(waiting_, asked, error);
}

void Pool::Engine::finish(std::list<Asked>& from, std::list<Asked>::iterator asked,
                          Result<Reply> result) {
  finished_.push_back({std::move(asked->callback), std::move(result)});
  from.erase(asked);
}

void Pool::Engine::finish_soon() {
  if (soon_ != nullptr) return;
  soon_ = loop_.after(0, [this] {
    soon_.reset();
    call_back();
  });
}

// Those that finish while callbacks run are left to the next turn: call_back() is not entered
// twice.
void Pool::Engine::call_back() {
  std::list<Finished> now;
  now.swap(finished_);
  const std::weak_ptr<char> here = here_;
  for (Finished& one : now) {
    one.callback(std::move(one.result));
    if (here.expired()) return;
  }
}

// One timer for all: deadlines come in the order of asking, so the first one armed is the first
// due, and a timer that finds nothing due arms itself anew.
void Pool::Engine::watch_time() {
  if (timer_ != nullptr) return;
  std::int64_t first_us = INT64_MAX;
  for (const Asked& asked : waiting_) first_us = std::min(first_us, asked.due_us);
  for (const auto& hands : busy_) first_us = std::min(first_us, hands.second.front().due_us);
  if (first_us == INT64_MAX) return;
  timer_ = loop_.after(first_us - loop_.now_us(), [this] {
    timer_.reset();
    expire();
  });
}

void Pool::Engine::expire() {
  const std::int64_t now_us = loop_.now_us() + kTimerEarlyUs;
  const Error overdue{Fault::retry, ETIMEDOUT, "helper"};
  for (auto asked = waiting_.begin(); asked != waiting_.end();) {
    const auto next = std::next(asked);
    if (asked->due_us <= now_us) {
      ++totals_.overdue;
      finish_waiting(asked, overdue);
    }
    asked = next;
  }
  std::vector<Crew::Number> hung;
  for (const auto& hands : busy_) {
    if (hands.second.front().due_us <= now_us) hung.push_back(hands.first);
  }
  for (const Crew::Number worker : hung) {
    ++totals_.overdue;
    std::list<Asked> asked = take_back(worker);
    finish(asked, asked.begin(), overdue);
    crew_.give_up(worker, Notice::worker_overdue, ETIMEDOUT);
  }
  watch_time();
  dispatch();
  call_back();
}

Pool::Counts Pool::Engine::counts() const {
  Counts counts = totals_;
  counts.idle = static_cast<std::uint32_t>(idle_.size());
  counts.busy = static_cast<std::uint32_t>(busy_.size());
  counts.dying = static_cast<std::uint32_t>(crew_.dying());
  counts.waiting = static_cast<std::uint32_t>(waiting_.size());
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
