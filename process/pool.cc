// SPDX-License-Identifier: 0BSD
#include "process/pool.h"

#include <errno.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <list>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/check.h"
#include "process/worker_set.h"

namespace qv::process {

namespace {

// The loop's timers use a coarse clock and may fire this much early.
constexpr std::int64_t kTimerEarlyUs = 5000;

Error no_answer(int errnum) { return {Fault::retry, errnum, "worker"}; }

}  // namespace

struct Task {
  struct Waiter {
    Pool::Ticket ticket;
    Pool::Done done;
  };
  Job job;
  std::vector<Waiter> waiters;
  std::int64_t due_us = 0;
  std::uint64_t serial = 0;
  WorkerSet::Worker* worker = nullptr;
  bool tried_before = false;
};

// Invariant: a task in tasks_ either waits in its lane or has a worker.  An answered one is in
// answered_ alone until its waiters have been called.
class Pool::Engine final : private WorkerSet::Events {
 public:
  Engine(event::Loop& loop, Spawner spawner, PoolSettings settings, Observer observer)
      : loop_(loop),
        settings_(std::move(settings)),
        workers_(loop, std::move(spawner), *this,
                 [this, observer = std::move(observer)](Notice what, pid_t worker, int errnum) {
                   count(what);
                   if (observer) observer(what, worker, errnum);
                 }) {
    QV_CHECK(settings_.workers > 0 && settings_.per_lane > 0);
  }

  Ticket ask(Job job, Done done);
  void cancel(Ticket ticket);
  [[nodiscard]] const WorkerSet& workers() const { return workers_; }
  [[nodiscard]] const PoolCounters& counters() const { return counters_; }
  [[nodiscard]] bool can_take(const Job& job) const;
  void renew(PoolSettings settings);
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  [[nodiscard]] std::size_t in_flight() const { return tasks_.size(); }

 private:
  using Tasks = std::list<Task>;
  struct Lane {
    std::deque<Tasks::iterator> waiting;
    std::size_t running = 0;
  };
  using Lanes = std::map<std::string, Lane>;
  struct Answered {
    std::vector<Task::Waiter> waiters;
    Result<Message> answer;
  };

  void answered(WorkerSet::Worker& worker, Message answer) override;
  void lost(WorkerSet::Worker& worker, int refused) override;
  void hung_gone(const std::string& subject, const std::string& lane) override {
    free(subject, lane);
  }
  void may_start() override { settle(); }
  void spawner_gone() override;

  [[nodiscard]] Tasks::iterator add(Job job);
  [[nodiscard]] Tasks::iterator find(const Task& task);
  void dispatch();
  enum class May : std::uint8_t { use_idle, start };
  [[nodiscard]] bool give_next(Lanes::iterator lane, May may);
  [[nodiscard]] WorkerSet::Worker* find_worker(const Job& job, std::size_t waiting, May may);
  [[nodiscard]] bool may_run(const Job& job, const Lane& lane) const;
  void free(const std::string& subject, const std::string& lane);
  void forget_if_empty(Lanes::iterator lane);
  [[nodiscard]] Tasks::iterator take_from_worker(WorkerSet::Worker& worker);
  void retry_or_fail(Tasks::iterator task);
  void wait_again(Tasks::iterator task);
  void stop_waiting(Tasks::iterator task);
  void finish(Tasks::iterator task, Result<Message> answer);
  void fail_waiting(int errnum);
  void settle();
  void call_back();
  static void silence(std::list<Answered>& answered, Ticket ticket);
  void watch_time();
  void expire();
  void watch_idle();
  void count(Notice what);

  event::Loop& loop_;
  PoolSettings settings_;
  WorkerSet workers_;
  PoolCounters counters_;
  Tasks tasks_;
  std::unordered_map<std::string, Tasks::iterator> equal_;  // by identity
  std::unordered_map<Ticket, Tasks::iterator> tickets_;
  Lanes lanes_;                                 // with a job, or a worker that hangs
  std::map<std::string, std::size_t> running_;  // jobs running, by subject
  std::string last_lane_;                       // that had its turn
  std::size_t waiting_ = 0;
  std::list<Answered> answered_;
  std::list<Answered>* calling_ = nullptr;  // whose waiters are being called
  Ticket next_ticket_ = 1;
  std::uint64_t next_serial_ = 1;
  std::int64_t timer_due_us_ = INT64_MAX;
  event::Loop::Owned timer_;
  event::Loop::Owned idle_timer_;
  event::Loop::Owned soon_;
  // Expires with this object: a callback may destroy it.
  std::shared_ptr<char> here_ = std::make_shared<char>();
};

Pool::Ticket Pool::Engine::ask(Job job, Done done) {
  ++counters_.jobs;
  const Ticket ticket = next_ticket_++;
  auto task = tasks_.end();
  if (const auto equal = equal_.find(job.identity); equal != equal_.end()) {
    ++counters_.joined;
    task = equal->second;
  } else if (!workers_.is_alive()) {
    answered_.push_back({{}, no_answer(EPIPE)});
  } else if (const auto lane = lanes_.find(job.lane);
             waiting_ >= settings_.queue ||
             (lane != lanes_.end() && lane->second.waiting.size() >= settings_.lane_queue)) {
    ++counters_.overflows;
    answered_.push_back({{}, no_answer(EAGAIN)});
  } else {
    task = add(std::move(job));
  }
  if (task == tasks_.end()) {
    answered_.back().waiters.push_back({ticket, std::move(done)});
  } else {
    task->waiters.push_back({ticket, std::move(done)});
    tickets_.emplace(ticket, task);
  }
  dispatch();
  if (!answered_.empty() && soon_ == nullptr) {
    soon_ = loop_.after(0, [this] {
      soon_.reset();
      settle();
    });
  }
  return ticket;
}

Pool::Engine::Tasks::iterator Pool::Engine::add(Job job) {
  const std::int64_t limit_us = job.time_limit_us > 0 ? job.time_limit_us : settings_.time_limit_us;
  const auto task = tasks_.insert(tasks_.end(), Task{});
  task->job = std::move(job);
  task->due_us = loop_.now_us() + limit_us;
  if (!task->job.identity.empty()) equal_.emplace(task->job.identity, task);
  lanes_[task->job.lane].waiting.push_back(task);
  ++waiting_;
  if (task->due_us < timer_due_us_) watch_time();
  return task;
}

void Pool::Engine::cancel(Ticket ticket) {
  for (std::list<Answered>* answered : {&answered_, calling_}) {
    if (answered != nullptr) silence(*answered, ticket);
  }
  const auto at = tickets_.find(ticket);
  if (at == tickets_.end()) return;
  const auto task = at->second;
  tickets_.erase(at);
  std::erase_if(task->waiters, [ticket](const Task::Waiter& w) { return w.ticket == ticket; });
  if (task->waiters.empty() && task->worker == nullptr) finish(task, no_answer(ECANCELED));
}

void Pool::Engine::silence(std::list<Answered>& answered, Ticket ticket) {
  for (Answered& each : answered) {
    for (Task::Waiter& waiter : each.waiters) {
      if (waiter.ticket == ticket) waiter.done = nullptr;
    }
  }
}

// Serves the lanes in turn, beginning behind the last one, until no job can run.  Jobs whose
// subject has an idle worker go first: starting a worker for another lane may end that one.
void Pool::Engine::dispatch() {
  for (const May may : {May::use_idle, May::start}) {
    for (std::size_t passed = 0; waiting_ > 0 && passed < lanes_.size();) {
      auto lane = lanes_.upper_bound(last_lane_);
      if (lane == lanes_.end()) lane = lanes_.begin();
      last_lane_ = lane->first;
      passed = give_next(lane, may) ? 0 : passed + 1;
    }
  }
}

// False where the lane's next job cannot run now.
bool Pool::Engine::give_next(Lanes::iterator lane, May may) {
  if (lane->second.waiting.empty()) return false;
  const auto task = lane->second.waiting.front();
  if (!may_run(task->job, lane->second)) return false;
  WorkerSet::Worker* worker = find_worker(task->job, lane->second.waiting.size(), may);
  if (worker == nullptr) return false;
  task->serial = next_serial_++;
  if (!workers_.send(*worker, task->serial, task->job)) return true;  // the worker is gone: retry
  lane->second.waiting.pop_front();
  --waiting_;
  ++lane->second.running;
  ++running_[task->job.subject];
  worker->task = &*task;
  task->worker = worker;
  return true;
}

bool Pool::Engine::may_run(const Job& job, const Lane& lane) const {
  const auto subject = running_.find(job.subject);
  const std::size_t of_subject = subject == running_.end() ? 0 : subject->second;
  return lane.running < settings_.per_lane && of_subject < settings_.per_subject;
}

bool Pool::Engine::can_take(const Job& job) const {
  const auto at = lanes_.find(job.lane);
  const Lane none;
  const Lane& lane = at == lanes_.end() ? none : at->second;
  const bool has_place = workers_.size() < settings_.workers || workers_.idle() > 0;
  return has_place && lane.waiting.empty() && may_run(job, lane);
}

void Pool::Engine::renew(PoolSettings settings) {
  settings.accepts = std::move(settings_.accepts);
  settings_ = std::move(settings);
  workers_.order_reload();
  workers_.release_all();
}

WorkerSet::Worker* Pool::Engine::find_worker(const Job& job, std::size_t waiting, May may) {
  if (WorkerSet::Worker* idle = workers_.find_idle(job.subject, job.lane)) return idle;
  if (may == May::use_idle) return nullptr;
  if (waiting < settings_.start_another && running_.contains(job.subject)) return nullptr;
  if (!workers_.can_start()) return nullptr;
  if (workers_.size() >= settings_.workers) {
    WorkerSet::Worker* other = workers_.longest_idle();
    if (other == nullptr) return nullptr;
    workers_.release(*other);
  }
  return workers_.start(job.subject, job.start_as.empty() ? job.subject : job.start_as);
}

Pool::Engine::Tasks::iterator Pool::Engine::find(const Task& task) {
  return std::find_if(tasks_.begin(), tasks_.end(),
                      [&task](const Task& each) { return &each == &task; });
}

// The worker's task; end() where it was idle.
Pool::Engine::Tasks::iterator Pool::Engine::take_from_worker(WorkerSet::Worker& worker) {
  if (worker.task == nullptr) return tasks_.end();
  const auto task = find(*std::exchange(worker.task, nullptr));
  task->worker = nullptr;
  free(task->job.subject, task->job.lane);
  return task;
}

// One job less of this subject and lane is running.
void Pool::Engine::free(const std::string& subject, const std::string& lane) {
  const auto of_subject = running_.find(subject);
  if (--of_subject->second == 0) running_.erase(of_subject);
  const auto at = lanes_.find(lane);
  --at->second.running;
  forget_if_empty(at);
}

void Pool::Engine::forget_if_empty(Lanes::iterator lane) {
  if (lane->second.waiting.empty() && lane->second.running == 0) lanes_.erase(lane);
}

// The task goes first in its lane, and its lane goes next.
void Pool::Engine::wait_again(Tasks::iterator task) {
  const auto lane = lanes_.try_emplace(task->job.lane).first;
  lane->second.waiting.push_front(task);
  ++waiting_;
  last_lane_ = lane == lanes_.begin() ? std::string() : std::prev(lane)->first;
}

void Pool::Engine::stop_waiting(Tasks::iterator task) {
  const auto lane = lanes_.find(task->job.lane);
  if (lane == lanes_.end()) return;
  std::deque<Tasks::iterator>& waiting = lane->second.waiting;
  const auto at = std::find(waiting.begin(), waiting.end(), task);
  if (at != waiting.end()) {
    waiting.erase(at);
    --waiting_;
  }
  forget_if_empty(lane);
}

// REQUIRES: the task has no worker.
void Pool::Engine::finish(Tasks::iterator task, Result<Message> answer) {
  stop_waiting(task);
  if (!task->job.identity.empty()) equal_.erase(task->job.identity);
  for (const Task::Waiter& waiter : task->waiters) tickets_.erase(waiter.ticket);
  answered_.push_back({std::move(task->waiters), std::move(answer)});
  tasks_.erase(task);
}

void Pool::Engine::answered(WorkerSet::Worker& worker, Message answer) {
  const auto task = take_from_worker(worker);
  const bool fits = task != tasks_.end() && answer.serial == task->serial &&
                    (!settings_.accepts || settings_.accepts(task->job.body, answer));
  if (!fits) {
    workers_.kill(worker, Notice::worker_garbled, 0);
    if (task != tasks_.end()) retry_or_fail(task);
  } else {
    const bool is_used_up = settings_.max_use != 0 && worker.used >= settings_.max_use;
    if (worker.is_stale || is_used_up) workers_.release(worker);
    watch_idle();
    finish(task, std::move(answer));
  }
  settle();
}

void Pool::Engine::retry_or_fail(Tasks::iterator task) {
  if (task->tried_before || !task->job.is_repeatable) return finish(task, no_answer(EPIPE));
  ++counters_.retried;
  task->tried_before = true;
  wait_again(task);
}

void Pool::Engine::lost(WorkerSet::Worker& worker, int refused) {
  const auto task = take_from_worker(worker);
  if (task != tasks_.end() && refused == 0) retry_or_fail(task);
  if (task != tasks_.end() && refused != 0) wait_again(task);
  // No worker is there and none is about to make room: waiting would not help.
  if (refused != 0 && workers_.size() == 0 && workers_.dying() == 0) fail_waiting(refused);
  settle();
}

void Pool::Engine::fail_waiting(int errnum) {
  for (auto task = tasks_.begin(); task != tasks_.end();) {
    const auto next = std::next(task);
    if (task->worker == nullptr) finish(task, no_answer(errnum));
    task = next;
  }
}

void Pool::Engine::spawner_gone() {
  for (Task& task : tasks_) task.worker = nullptr;
  for (auto& lane : lanes_) lane.second.running = 0;
  running_.clear();
  fail_waiting(EPIPE);
  call_back();
}

// Call it last: callbacks may destroy this object.
void Pool::Engine::settle() {
  const std::weak_ptr<char> here = here_;
  // A callback may submit one more job for the worker that has just become idle.
  call_back();
  if (!here.expired()) dispatch();
}

void Pool::Engine::call_back() {
  std::list<Answered> now;
  now.swap(answered_);
  calling_ = &now;
  const std::weak_ptr<char> here = here_;
  for (Answered& each : now) {
    for (Task::Waiter& waiter : each.waiters) {
      if (waiter.done) waiter.done(each.answer);
      if (here.expired()) return;
    }
  }
  calling_ = nullptr;
}

// One timer serves all tasks.
void Pool::Engine::watch_time() {
  timer_due_us_ = INT64_MAX;
  timer_.reset();
  for (const Task& task : tasks_) timer_due_us_ = std::min(timer_due_us_, task.due_us);
  if (timer_due_us_ == INT64_MAX) return;
  timer_ = loop_.after(timer_due_us_ - loop_.now_us(), [this] { expire(); });
}

// Ends workers that have been idle for too long.
void Pool::Engine::watch_idle() {
  if (idle_timer_ != nullptr || settings_.max_idle_us == INT64_MAX) return;
  idle_timer_ = loop_.after(settings_.max_idle_us, [this] {
    idle_timer_.reset();
    workers_.release_idle(loop_.now_us() + kTimerEarlyUs - settings_.max_idle_us);
    if (workers_.idle() > 0) watch_idle();
  });
}

void Pool::Engine::expire() {
  const std::int64_t now_us = loop_.now_us() + kTimerEarlyUs;
  for (auto task = tasks_.begin(); task != tasks_.end();) {
    const auto next = std::next(task);
    if (task->due_us <= now_us) {
      ++counters_.overdue;
      // Its share of lane and subject becomes free when the worker is gone.
      if (WorkerSet::Worker* worker = std::exchange(task->worker, nullptr)) {
        worker->task = nullptr;
        workers_.kill_hung(*worker, task->job.lane);
      }
      finish(task, no_answer(ETIMEDOUT));
    }
    task = next;
  }
  watch_time();
  settle();
}

void Pool::Engine::count(Notice what) {
  switch (what) {
    case Notice::worker_started:
      ++counters_.workers_started;
      return;
    case Notice::worker_overdue:
    case Notice::worker_died:
    case Notice::worker_garbled:
      ++counters_.workers_lost;
      return;
    case Notice::worker_refused:
      ++counters_.workers_refused;
      return;
    case Notice::spawner_gone:
      return;
  }
}

Pool::Pool(event::Loop& loop, Spawner spawner, PoolSettings settings, Observer observer)
    : engine_(std::make_unique<Engine>(loop, std::move(spawner), std::move(settings),
                                       std::move(observer))) {}
Pool::~Pool() = default;

Pool::Ticket Pool::ask(Job job, Done done) { return engine_->ask(std::move(job), std::move(done)); }
void Pool::cancel(Ticket ticket) { engine_->cancel(ticket); }
bool Pool::can_take(const Job& job) const { return engine_->can_take(job); }
void Pool::renew(PoolSettings settings) { engine_->renew(std::move(settings)); }
bool Pool::is_alive() const { return engine_->workers().is_alive(); }
const PoolCounters& Pool::counters() const { return engine_->counters(); }
std::size_t Pool::workers() const { return engine_->workers().size(); }
std::size_t Pool::idle() const { return engine_->workers().idle(); }
std::size_t Pool::dying() const { return engine_->workers().dying(); }
std::size_t Pool::waiting() const { return engine_->waiting(); }
std::size_t Pool::in_flight() const { return engine_->in_flight(); }

Pool::Observer log_notices(LogWriter& log, std::function<void()> gone) {
  static constexpr const char* kNames[] = {"worker_started", "worker_overdue", "worker_died",
                                           "worker_garbled", "worker_refused", "spawner_gone"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Notice::spawner_gone) + 1);
  return [&log, gone = std::move(gone)](Notice notice, pid_t worker, int errnum) {
    if (notice == Notice::worker_started) return;
    LogLine line("worker");
    line.add("event", kNames[static_cast<std::size_t>(notice)]).add("pid", worker);
    if (errnum != 0) line.add("errno", errnum);
    log.write(line);
    if (notice == Notice::spawner_gone) gone();
  };
}

}  // namespace qv::process
