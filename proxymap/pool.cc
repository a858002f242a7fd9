// SPDX-License-Identifier: 0BSD
#include "proxymap/pool.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <set>
#include <utility>

namespace qv::proxymap {

namespace {

constexpr std::int64_t kSweepUs = 250'000;
constexpr std::int64_t kStartAgainUs = 1'000'000;
// A worker is ours: what it sends is bounded by what it may send, and it has its own time limit.
constexpr StreamLimits kWorkerStream{.max_input = 17u << 20};

std::string identity_of(const Job& job) {
  std::string out = job.table;
  out += job.no_substitution ? '\1' : '\0';
  out += job.key;
  return out;
}

JobAnswer cannot_tell(const char* why) { return {Status::retry, {}, why}; }

}  // namespace

struct Pool::Task {
  struct Waiter {
    Ticket ticket;
    Callback callback;
  };
  Job job;
  std::string identity;  // empty: must not be joined
  std::vector<Waiter> waiters;
  std::int64_t due_us = 0;
  Member* worker = nullptr;
  bool tried = false;
  Tasks::iterator self;
};

class Pool::Member final : public Stream::User {
 public:
  Member(Pool& pool, Worker worker)
      : pid(worker.pid), stream(pool.loop_, std::move(worker.socket), kWorkerStream), pool_(pool) {
    stream.start(*this);
  }

  std::size_t on_input(Stream& /*stream*/, std::string_view input) override {
    JobAnswer answer;
    const Frame frame = decoder_.scan(input);
    if (frame == Frame::partial) return 0;
    if (frame == Frame::malformed || task == nullptr || !parse_answer(decoder_, input, answer)) {
      pool_.on_lost(*this);
      return 0;
    }
    const std::size_t size = decoder_.size();
    decoder_.reset();
    pool_.on_answer(*this, answer);  // this worker may be gone now
    return size;
  }
  void on_end(Stream& /*stream*/, StreamEnd /*why*/) override { pool_.on_lost(*this); }

  pid_t pid;
  Stream stream;
  Task* task = nullptr;
  std::uint64_t used = 0;
  std::set<std::string> tables;  // asked of it: it probably has them open

 private:
  Pool& pool_;
  AttributeDecoder decoder_{kJobLimits};
};

Pool::Pool(Loop& loop, const PoolLimits& limits, Start start)
    : loop_(loop),
      limits_(limits),
      start_(std::move(start)),
      sweep_(loop.every(kSweepUs, [this] { look_around(); })) {}

Pool::~Pool() {
  for (const auto& worker : workers_) {
    if (worker->pid > 0) ::kill(worker->pid, SIGKILL);
  }
}

Pool::Ticket Pool::ask(Job job, Callback callback) {
  const bool joins = job.operation == Operation::lookup;
  std::string identity = joins ? identity_of(job) : std::string();
  Task* task = nullptr;
  if (const auto at = same_.find(identity); joins && at != same_.end()) {
    task = at->second;
    ++counters_.joined;
  } else {
    Lane& lane = lanes_[job.table];
    if (lane.waiting.size() >= limits_.queue) {
      ++counters_.overflows;
      return 0;
    }
    task = &tasks_.emplace_back();
    task->self = std::prev(tasks_.end());
    task->job = std::move(job);
    task->due_us = loop_.now_us() + limits_.time_us;
    if (joins) same_.emplace(identity, task);
    task->identity = std::move(identity);
    lane.waiting.push_back(task);
  }
  ++counters_.jobs;
  const Ticket ticket = next_ticket_++;
  task->waiters.push_back({ticket, std::move(callback)});
  tickets_.emplace(ticket, task);
  dispatch();
  return ticket;
}

void Pool::cancel(Ticket ticket) {
  const auto at = tickets_.find(ticket);
  if (at == tickets_.end()) return;
  Task& task = *at->second;
  tickets_.erase(at);
  std::erase_if(task.waiters, [ticket](const Task::Waiter& w) { return w.ticket == ticket; });
  // One that a worker has is let go on: its answer is read and thrown away.
  if (task.waiters.empty() && task.worker == nullptr) finish(task, {});
}

// The next table, in turn, that has a job waiting and is allowed to have it done; end() if none.
Pool::Lanes::iterator Pool::next_lane() {
  auto at = lanes_.upper_bound(last_lane_);
  for (std::size_t i = 0; i < lanes_.size(); ++i, ++at) {
    if (at == lanes_.end()) at = lanes_.begin();
    if (!at->second.waiting.empty() && at->second.running < limits_.per_table) return at;
  }
  return lanes_.end();
}

void Pool::dispatch() {
  for (;;) {
    const auto at = next_lane();
    Member* worker = at == lanes_.end() ? nullptr : free_worker(at->first);
    if (worker == nullptr) return;
    last_lane_ = at->first;
    Lane& lane = at->second;
    Task& task = *lane.waiting.front();
    lane.waiting.pop_front();
    ++lane.running;
    give(*worker, task);
  }
}

// A worker that has the table open, else one that is idle, else a new one.
Pool::Member* Pool::free_worker(const std::string& table) {
  Member* idle = nullptr;
  for (const auto& worker : workers_) {
    if (worker->task != nullptr) continue;
    if (worker->tables.count(table) != 0) return worker.get();
    if (idle == nullptr) idle = worker.get();
  }
  return idle != nullptr ? idle : new_worker();
}

Pool::Member* Pool::new_worker() {
  if (workers_.size() >= limits_.workers || loop_.now_us() < start_again_us_) return nullptr;
  Result<Worker> worker = start_();
  if (!worker.ok()) {
    start_again_us_ = loop_.now_us() + kStartAgainUs;
    return nullptr;
  }
  ++counters_.workers_started;
  workers_.push_back(std::make_unique<Member>(*this, std::move(worker).value()));
  return workers_.back().get();
}

void Pool::give(Member& worker, Task& task) {
  std::string bytes;
  append_job(bytes, task.job);
  task.worker = &worker;
  worker.task = &task;
  worker.tables.insert(task.job.table);
  ++worker.used;
  worker.stream.write(bytes);
}

void Pool::take_from_worker(Task& task) {
  if (task.worker == nullptr) return;
  task.worker->task = nullptr;
  task.worker = nullptr;
  --lanes_[task.job.table].running;
}

void Pool::take_from_queue(Task& task) {
  std::deque<Task*>& waiting = lanes_[task.job.table].waiting;
  waiting.erase(std::remove(waiting.begin(), waiting.end(), &task), waiting.end());
}

// Forgets the task first: a callback may ask again.
void Pool::finish(Task& task, const JobAnswer& answer) {
  take_from_worker(task);
  take_from_queue(task);
  const auto lane = lanes_.find(task.job.table);
  if (lane->second.waiting.empty() && lane->second.running == 0) lanes_.erase(lane);
  if (!task.identity.empty()) same_.erase(task.identity);
  const std::vector<Task::Waiter> waiters = std::move(task.waiters);
  for (const Task::Waiter& waiter : waiters) tickets_.erase(waiter.ticket);
  tasks_.erase(task.self);
  for (const Task::Waiter& waiter : waiters) waiter.callback(answer);
}

void Pool::on_answer(Member& worker, const JobAnswer& answer) {
  Task& task = *worker.task;
  if (limits_.max_use != 0 && worker.used >= limits_.max_use) {
    take_from_worker(task);
    dying_.push_back(worker.pid);
    forget_worker(worker);  // it sees its socket closed, and ends
  }
  finish(task, answer);
  dispatch();
}

void Pool::on_lost(Member& worker) {
  Task* task = worker.task;
  if (task != nullptr) take_from_worker(*task);
  kill_worker(worker);
  if (task == nullptr) return dispatch();
  // Whether a write was done nobody knows: only look-ups may be asked again.
  if (task->tried || task->job.operation != Operation::lookup) {
    finish(*task, cannot_tell("the worker died"));
  } else {
    task->tried = true;
    lanes_[task->job.table].waiting.push_front(task);
  }
  dispatch();
}

void Pool::kill_worker(Member& worker) {
  ++counters_.workers_lost;
  if (worker.pid > 0) {
    ::kill(worker.pid, SIGKILL);
    dying_.push_back(worker.pid);
  }
  forget_worker(worker);
}

void Pool::forget_worker(Member& worker) {
  workers_.remove_if([&worker](const std::unique_ptr<Member>& w) { return w.get() == &worker; });
}

void Pool::give_up(Task& task) {
  ++counters_.overdue;
  if (Member* worker = task.worker) {
    take_from_worker(task);
    kill_worker(*worker);
  }
  finish(task, cannot_tell("it took too long"));
}

void Pool::look_around() {
  reap();
  const std::int64_t now = loop_.now_us();
  const bool nobody = workers_.empty() && now < start_again_us_;
  // Callbacks may add and remove tasks: none is held across one.
  for (bool again = true; again;) {
    again = false;
    for (Task& task : tasks_) {
      if (task.due_us > now && !(nobody && task.worker == nullptr)) continue;
      give_up(task);
      again = true;
      break;
    }
  }
  dispatch();
}

void Pool::reap() {
  std::erase_if(dying_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace qv::proxymap
