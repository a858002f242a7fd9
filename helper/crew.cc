// SPDX-License-Identifier: 0BSD
#include "helper/crew.h"

#include <errno.h>
#include <sys/wait.h>

#include <array>
#include <utility>

#include "helper/channel.h"
#include "helper/memory_file.h"

namespace qv::helper {

namespace {

// After a refusal, and while the keeper's socket is full: how long until it is tried again.
constexpr std::int64_t kPauseUs = 250000;

bool must_wait(const Error& error) { return error.errnum == EAGAIN || error.errnum == EWOULDBLOCK; }

bool is_attached(Attached attached, const Fd& file) {
  switch (attached) {
    case Attached::nothing:
      return !file.valid();
    case Attached::sealed_copy:
      return is_sealed(file);
  }
  return false;
}

}  // namespace

Crew::Crew(Loop& loop, Keeper keeper, Events& events, Pool::Observer observer)
    : loop_(loop), keeper_(std::move(keeper)), events_(events), observer_(std::move(observer)) {
  if (keeper_.socket.valid()) {
    keeper_watch_ = loop_.when_readable(keeper_.socket.get(), [this] { read_keeper(); });
  }
}

Crew::~Crew() {
  keeper_watch_.reset();
  keeper_.socket.reset();
  if (keeper_.pid > 0) waitpid(keeper_.pid, nullptr, WNOHANG);
}

void Crew::notice(Notice what, pid_t pid, int errnum) const {
  if (observer_) observer_(what, pid, errnum);
}

bool Crew::order(Command command, Number worker) {
  Order order;
  order.command = command;
  order.worker = worker;
  return send_message(keeper_.socket, as_bytes(order), -1, Waiting::never).ok();
}

void Crew::start_one() {
  if (!alive() || pause_ != nullptr) return;
  const Number number = next_number_++;
  if (!order(Command::start, number)) return pause_starts();
  starting_.insert(number);
}

// A keeper that refuses is asked again when a worker has ended, or a moment later: not at every
// request.
void Crew::pause_starts() {
  if (pause_ != nullptr) return;
  pause_ = loop_.after(kPauseUs, [this] {
    pause_.reset();
    send_kills();
    events_.place_changed();
  });
}

void Crew::send_kills() {
  while (!kills_.empty() && order(Command::kill, kills_.back())) kills_.pop_back();
  if (!kills_.empty()) pause_starts();
}

bool Crew::send(Number number, const Request& request) {
  const auto worker = workers_.find(number);
  if (worker == workers_.end()) return false;
  const Result<void> sent =
      send_message(worker->second.socket, as_bytes(request), -1, Waiting::never);
  if (sent.ok()) return true;
  give_up(number, Notice::worker_died, sent.error().errnum);
  return false;
}

void Crew::give_up(Number number, Notice why, int errnum) {
  const auto worker = workers_.find(number);
  if (worker == workers_.end()) return;
  notice(why, worker->second.pid, errnum);
  const bool dead = worker->second.ended;
  workers_.erase(worker);
  if (dead) return;
  dying_.insert(number);
  kills_.push_back(number);
  send_kills();
}

void Crew::lose(Number number, Notice why, int errnum) {
  give_up(number, why, errnum);
  events_.worker_lost(number);
}

void Crew::read_keeper() {
  std::array<char, sizeof(News) + 1> buffer;
  Result<Received> received = receive_message(keeper_.socket, buffer, Waiting::never);
  if (!received.ok() && must_wait(received.error())) return;
  if (!received.ok() || received.value().size == 0 || received.value().size > sizeof(News)) {
    return lose_keeper();
  }
  const Result<News> news = validate_news({buffer.data(), received.value().size});
  if (!news.ok()) return lose_keeper();
  take_news(news.value(), std::move(received.value().file));
}

void Crew::take_news(const News& news, Fd socket) {
  switch (news.event) {
    case Event::started:
      return started(news, std::move(socket));
    case Event::refused:
      if (starting_.erase(news.worker) == 0) return;
      notice(Notice::worker_refused, -1, news.errnum);
      pause_starts();
      return events_.place_changed();
    case Event::ended:
      return ended(news.worker);
  }
}

void Crew::started(const News& news, Fd socket) {
  const Number number = news.worker;
  // The keeper tells nothing else: one that does is no keeper.
  if (starting_.erase(number) == 0 || !socket.valid()) return lose_keeper();
  Worker& worker = workers_[number];
  worker.pid = news.pid;
  worker.socket = std::move(socket);
  worker.watch = loop_.when_readable(worker.socket.get(), [this, number] { read_worker(number); });
  notice(Notice::worker_started, news.pid, 0);
  events_.worker_ready(number);
}

// Its last response may still lie in its socket, and the end of file behind it: that is where it is
// lost.
void Crew::ended(Number number) {
  const auto worker = workers_.find(number);
  if (worker != workers_.end()) {
    worker->second.ended = true;
    return;
  }
  dying_.erase(number);
  std::erase(kills_, number);
  if (kills_.empty()) pause_.reset();
  events_.place_changed();
}

void Crew::read_worker(Number number) {
  const auto worker = workers_.find(number);
  if (worker == workers_.end()) return;
  std::array<char, sizeof(Response) + 1> buffer;
  Result<Received> received = receive_message(worker->second.socket, buffer, Waiting::never);
  if (!received.ok() && must_wait(received.error())) return;
  if (!received.ok()) return lose(number, Notice::worker_died, received.error().errnum);
  if (received.value().size == 0) return lose(number, Notice::worker_died, 0);

  Fd file = std::move(received.value().file);
  const std::size_t size = received.value().size < buffer.size() ? received.value().size : 0;
  const Result<Response> response = validate_response({buffer.data(), size});
  if (!response.ok() || !is_attached(response.value().has_file, file))
    return lose(number, Notice::worker_garbled, 0);
  events_.worker_answered(number, response.value(), std::move(file));
}

void Crew::lose_keeper() {
  keeper_watch_.reset();
  pause_.reset();
  keeper_.socket.reset();
  if (keeper_.pid > 0 && waitpid(keeper_.pid, nullptr, WNOHANG) == keeper_.pid) keeper_.pid = -1;
  workers_.clear();
  starting_.clear();
  dying_.clear();
  kills_.clear();
  notice(Notice::keeper_gone, keeper_.pid, 0);
  events_.keeper_gone();
}

}  // namespace qv::helper
