// SPDX-License-Identifier: 0BSD
#include "process/worker_set.h"

#include <errno.h>
#include <sys/wait.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace qv::process {

namespace {

// Between two attempts while the spawner refuses to start workers or its socket is full.
constexpr std::int64_t kPauseUs = 250'000;

bool must_wait(const Error& error) { return error.errnum == EAGAIN || error.errnum == EWOULDBLOCK; }

}  // namespace

WorkerSet::WorkerSet(event::Loop& loop, Spawner spawner, Events& events, Pool::Observer observer)
    : loop_(loop), spawner_(std::move(spawner)), events_(events), observer_(std::move(observer)) {
  if (!is_alive()) return;
  watch_ = loop_.when_readable(spawner_.socket.get(), [this] { read_spawner(); });
}

WorkerSet::~WorkerSet() {
  watch_.reset();
  spawner_.socket.reset();
  if (spawner_.pid > 0) waitpid(spawner_.pid, nullptr, WNOHANG);
}

void WorkerSet::notice(Notice what, pid_t pid, int errnum) const {
  if (observer_) observer_(what, pid, errnum);
}

WorkerSet::Worker* WorkerSet::find(std::uint64_t number) {
  for (Worker& worker : workers_) {
    if (worker.number == number) return &worker;
  }
  return nullptr;
}

std::list<WorkerSet::Worker>::iterator WorkerSet::place_of(const Worker& worker) {
  return std::find_if(workers_.begin(), workers_.end(),
                      [&worker](const Worker& each) { return &each == &worker; });
}

std::list<WorkerSet::Worker> WorkerSet::take_out(Worker& worker) {
  std::list<Worker> out;
  out.splice(out.begin(), workers_, place_of(worker));
  return out;
}

WorkerSet::Worker* WorkerSet::start(const std::string& subject, const std::string& start_as) {
  if (!can_start()) return nullptr;
  Result<Channel> channel = open_channel();
  const std::uint64_t number = next_number_++;
  if (!channel.ok() ||
      !send_order(spawner_.socket, Order::start, number, start_as, channel.value().theirs.get())
           .ok()) {
    pause_starts();
    return nullptr;
  }
  Worker& worker = workers_.emplace_back();
  worker.number = number;
  worker.subject = subject;
  worker.socket = std::move(channel.value().ours);
  worker.watch = loop_.when_readable(worker.socket.get(), [this, &worker] { read_worker(worker); });
  return &worker;
}

// After a refusal the next attempt waits until a worker has ended or a moment has passed.
void WorkerSet::pause_starts() {
  if (pause_ != nullptr) return;
  pause_ = loop_.after(kPauseUs, [this] {
    pause_.reset();
    send_orders();
    events_.may_start();
  });
}

void WorkerSet::send_orders() {
  while (!kills_.empty() && send_order(spawner_.socket, Order::kill, kills_.back(), {}, -1).ok()) {
    kills_.pop_back();
  }
  if (must_reload_ && send_order(spawner_.socket, Order::reload, 0, {}, -1).ok()) {
    must_reload_ = false;
  }
  if (has_orders()) pause_starts();
}

void WorkerSet::forget_dead(std::uint64_t number) {
  std::erase(kills_, number);
  if (const auto dead = dying_.extract(number); !dead.empty() && dead.mapped().was_hung) {
    events_.hung_gone(dead.mapped().subject, dead.mapped().lane);
  }
}

bool WorkerSet::send(Worker& worker, std::uint64_t serial, const Job& job) {
  const Result<void> sent =
      send_message(worker.socket, 0, serial, job.body, job.file.get(), Waiting::never);
  if (!sent.ok()) {
    // It was never started: the spawner refuses, and its news is on the way.
    if (worker.pid < 0) pause_starts();
    kill(worker, Notice::worker_died, sent.error().errnum);
    return false;
  }
  ++worker.used;
  worker.lanes.insert(job.lane);
  return true;
}

std::list<WorkerSet::Worker> WorkerSet::take_and_kill(Worker& worker, Notice why, int errnum) {
  notice(why, worker.pid, errnum);
  std::list<Worker> gone = take_out(worker);
  if (worker.has_ended) return gone;
  dying_[worker.number];
  kills_.push_back(worker.number);
  send_orders();
  return gone;
}

void WorkerSet::kill(Worker& worker, Notice why, int errnum) {
  take_and_kill(worker, why, errnum).clear();
}

void WorkerSet::kill_hung(Worker& worker, const std::string& lane) {
  const std::list<Worker> gone = take_and_kill(worker, Notice::worker_overdue, ETIMEDOUT);
  if (worker.has_ended) return events_.hung_gone(worker.subject, lane);
  dying_[worker.number] = {true, worker.subject, lane};
}

void WorkerSet::release(Worker& worker) {
  const std::list<Worker> gone = take_out(worker);
  if (!worker.has_ended) dying_[worker.number];
}

WorkerSet::Worker* WorkerSet::find_idle(const std::string& subject, const std::string& lane) {
  Worker* found = nullptr;
  for (auto worker = workers_.rbegin(); worker != workers_.rend(); ++worker) {
    if (worker->task != nullptr || worker->subject != subject) continue;
    if (worker->lanes.count(lane) != 0) return &*worker;
    if (found == nullptr) found = &*worker;
  }
  return found;
}

void WorkerSet::release_idle(std::int64_t before_us) {
  for (auto worker = workers_.begin(); worker != workers_.end();) {
    const auto next = std::next(worker);
    if (worker->task == nullptr && worker->idle_since_us < before_us) release(*worker);
    worker = next;
  }
}

void WorkerSet::release_all() {
  for (Worker& worker : workers_) worker.is_stale = true;
  release_idle(INT64_MAX);
}

void WorkerSet::order_reload() {
  if (!is_alive()) return;
  must_reload_ = true;
  send_orders();
}

WorkerSet::Worker* WorkerSet::longest_idle() {
  for (Worker& worker : workers_) {
    if (worker.task == nullptr) return &worker;
  }
  return nullptr;
}

std::size_t WorkerSet::idle() const {
  return static_cast<std::size_t>(
      std::count_if(workers_.begin(), workers_.end(),
                    [](const Worker& worker) { return worker.task == nullptr; }));
}

void WorkerSet::read_spawner() {
  const Result<News> news = receive_news(spawner_.socket);
  if (!news.ok() && must_wait(news.error())) return;
  if (!news.ok()) return lose_spawner();
  follow(news.value());
}

void WorkerSet::follow(const News& news) {
  Worker* worker = find(news.worker);
  switch (news.event) {
    case Event::started:
      if (worker != nullptr) worker->pid = news.number;
      return notice(Notice::worker_started, news.number, 0);
    case Event::refused:
      pause_starts();
      if (worker == nullptr) return forget_dead(news.worker);
      worker->has_ended = true;
      return lose(*worker, Notice::worker_refused, news.number, news.number);
    case Event::ended:
      // Its last answer may still be in its socket; the end of file behind it reports the loss.
      if (worker != nullptr) {
        worker->has_ended = true;
        return;
      }
      forget_dead(news.worker);
      if (!has_orders()) pause_.reset();
      return events_.may_start();
  }
}

void WorkerSet::read_worker(Worker& worker) {
  Result<Message> answer = receive_message(worker.socket, Waiting::never);
  if (answer.ok()) {
    workers_.splice(workers_.end(), workers_, place_of(worker));
    worker.idle_since_us = loop_.now_us();
    return events_.answered(worker, std::move(answer).value());
  }
  if (must_wait(answer.error())) return;
  const bool garbled = answer.error().fault == Fault::protocol;
  lose(worker, garbled ? Notice::worker_garbled : Notice::worker_died, 0, 0);
}

void WorkerSet::lose(Worker& worker, Notice why, int errnum, int refused) {
  std::list<Worker> gone = take_and_kill(worker, why, errnum);
  events_.lost(gone.front(), refused);
}

void WorkerSet::lose_spawner() {
  watch_.reset();
  pause_.reset();
  spawner_.socket.reset();
  if (spawner_.pid > 0 && waitpid(spawner_.pid, nullptr, WNOHANG) == spawner_.pid) {
    spawner_.pid = -1;
  }
  workers_.clear();
  dying_.clear();
  kills_.clear();
  must_reload_ = false;
  notice(Notice::spawner_gone, spawner_.pid, 0);
  events_.spawner_gone();
}

}  // namespace qv::process
