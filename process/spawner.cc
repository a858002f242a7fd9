// SPDX-License-Identifier: 0BSD
#include "process/spawner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "core/exit_code.h"

namespace qv::process {

namespace {

struct Living {
  std::uint64_t number;
  pid_t pid;
};

class SpawnerProcess {
 public:
  SpawnerProcess(Fd socket, SpawnerSettings settings)
      : socket_(std::move(socket)), settings_(std::move(settings)) {}

  [[noreturn]] void run() {
    watch_children();
    for (;;) {
      static_cast<void>(prepare().ok());  // where it fails, the next order says why
      std::array<pollfd, 2> ready{{{socket_.get(), POLLIN, 0}, {children_.get(), POLLIN, 0}}};
      if (poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) end(kExitTemporary);
      // Reap first: the next order may need the place of a dead worker.
      if (ready[1].revents != 0) reap_children();
      if (ready[0].revents != 0) follow_order();
    }
  }

 private:
  void watch_children() {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, nullptr);
    children_.reset(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!children_.valid()) _exit(kExitTemporary);
  }

  // The spawner exits when its socket is closed and when a message is no order: the other end is no
  // daemon of ours.
  void follow_order() {
    Result<Message> order = receive_message(socket_, Waiting::never);
    if (!order.ok() && order.error().errnum == EAGAIN) return;
    if (!order.ok()) end(order.error().fault == Fault::protocol ? kExitTemporary : kExitOk);
    Message& message = order.value();
    if (message.body.size() > kMaxSubject) end(kExitTemporary);
    switch (static_cast<Order>(message.kind)) {
      case Order::start:
        return start_worker(message.serial, message.body, message.file);
      case Order::kill:
        return kill_worker(message.serial);
      case Order::reload:
        if (settings_.reload) settings_.reload();
        spare_ = {};
        return;
    }
    end(kExitTemporary);
  }

  void start_worker(std::uint64_t number, const std::string& subject, const Fd& socket) {
    if (!socket.valid() || find(number) != living_.end()) {
      return report(Event::refused, number, EINVAL);
    }
    if (living_.size() >= settings_.max_processes) return report(Event::refused, number, EAGAIN);
    Result<pid_t> pid = use_spare(subject, socket);
    if (!pid.ok()) pid = use_spare(subject, socket);  // the spare had died: now with a new one
    if (!pid.ok()) return report(Event::refused, number, pid.error().errnum);
    living_.push_back({number, pid.value()});
    report(Event::started, number, pid.value());
  }

  // Makes the spare process the worker for `subject`.
  Result<pid_t> use_spare(const std::string& subject, const Fd& socket) {
    QV_TRY_VOID(prepare());
    const Child spare = std::exchange(spare_, {});
    QV_TRY_VOID(send_message(spare.socket, 0, 0, subject, socket.get(), Waiting::never));
    return spare.pid;
  }

  Result<void> prepare() {
    if (spare_.socket.valid()) return {};
    Confinement confinement = settings_.confinement;
    confinement.name = "qv-spare";
    QV_TRY(spare_, start_child(confinement, [this](Fd orders) {
             Result<Message> order = receive_message(orders, Waiting::allowed);
             if (!order.ok()) return;
             orders.reset();
             prctl(PR_SET_NAME, settings_.confinement.name);
             settings_.run(order.value().body, std::move(order.value().file));
           }));
    return {};
  }

  // A worker that is not there has ended, and the daemon has not read that yet.
  void kill_worker(std::uint64_t number) {
    const auto worker = find(number);
    if (worker != living_.end()) ::kill(worker->pid, SIGKILL);
  }

  void reap_children() {
    signalfd_siginfo unused{};
    while (read(children_.get(), &unused, sizeof unused) > 0) {
    }
    for (;;) {
      const pid_t pid = waitpid(-1, nullptr, WNOHANG);
      if (pid <= 0) return;
      if (pid == spare_.pid) spare_ = {};
      for (auto worker = living_.begin(); worker != living_.end(); ++worker) {
        if (worker->pid != pid) continue;
        const std::uint64_t number = worker->number;
        living_.erase(worker);
        report(Event::ended, number, 0);
        break;
      }
    }
  }

  void report(Event event, std::uint64_t number, std::int32_t detail) {
    const Result<void> sent = send_message(socket_, static_cast<std::uint32_t>(event), number,
                                           as_bytes(detail), -1, Waiting::allowed);
    if (!sent.ok()) end(kExitOk);
  }

  [[noreturn]] void end(int code) {
    for (const Living& worker : living_) ::kill(worker.pid, SIGKILL);
    _exit(code);
  }

  std::vector<Living>::iterator find(std::uint64_t number) {
    auto worker = living_.begin();
    while (worker != living_.end() && worker->number != number) ++worker;
    return worker;
  }

  Fd socket_;
  SpawnerSettings settings_;
  Fd children_;
  std::vector<Living> living_;
  Child spare_;
};

}  // namespace

Result<Spawner> start_spawner(SpawnerSettings settings) {
  Confinement confinement = settings.confinement;
  confinement.name = "qv-spawner";
  return start_child(confinement, [&](Fd socket) {
    if (!drop_groups().ok()) _exit(kExitTemporary);
    SpawnerProcess(std::move(socket), std::move(settings)).run();
  });
}

Result<void> send_order(const Fd& spawner, Order order, std::uint64_t worker,
                        std::string_view subject, int socket) {
  return send_message(spawner, static_cast<std::uint32_t>(order), worker, subject, socket,
                      Waiting::never);
}

Result<News> receive_news(const Fd& spawner) {
  QV_TRY(const Message message, receive_message(spawner, Waiting::never));
  News news;
  news.event = static_cast<Event>(message.kind);
  news.worker = message.serial;
  const bool known =
      news.event == Event::started || news.event == Event::refused || news.event == Event::ended;
  if (!known || message.body.size() != sizeof news.number || message.file.valid()) {
    return Error{Fault::protocol, EPROTO, "news"};
  }
  memcpy(&news.number, message.body.data(), sizeof news.number);
  return news;
}

}  // namespace qv::process
