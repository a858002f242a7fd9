// SPDX-License-Identifier: 0BSD
#include "helper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "core/exit_code.h"
#include "core/fault.h"
#include "helper/become_owner.h"
#include "helper/channel.h"
#include "helper/confine.h"
#include "helper/worker.h"

namespace qv::helper {

namespace {

struct Living {
  std::uint64_t number;
  pid_t pid;
};

// Blocks every signal for as long as it lives: between fork and the child's own settings no
// handler of the parent's may run in the child.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

class KeeperProcess {
 public:
  KeeperProcess(Fd socket, const KeeperSettings& settings)
      : socket_(std::move(socket)), settings_(settings) {}

  [[noreturn]] void run() {
    prctl(PR_SET_NAME, "qv-keeper");
    watch_children();
    for (;;) {
      std::array<pollfd, 2> ready{{{socket_.get(), POLLIN, 0}, {children_.get(), POLLIN, 0}}};
      if (poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) end(kExitTemporary);
      // The dead first: their places may be what the next order needs.
      if (ready[1].revents != 0) bury_children();
      if (ready[0].revents != 0) take_order();
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

  // A socket that is closed, and an order that is none, end the helper: there is no front any more.
  void take_order() {
    std::array<char, sizeof(Order) + 1> buffer;
    Result<Received> received = receive_message(socket_, buffer, Waiting::never);
    if (!received.ok() && received.error().errnum == EAGAIN) return;
    if (!received.ok() || received.value().size == 0) end(kExitOk);
    if (received.value().size > sizeof(Order)) end(kExitTemporary);
    const Result<Order> order = validate_order({buffer.data(), received.value().size});
    if (!order.ok()) end(kExitTemporary);
    switch (order.value().command) {
      case Command::start:
        return start_worker(order.value().worker);
      case Command::kill:
        return kill_worker(order.value().worker);
    }
  }

  void start_worker(std::uint64_t number) {
    if (find(number) != living_.end()) return refuse(number, EEXIST);
    if (living_.size() >= settings_.max_processes) return refuse(number, EAGAIN);
    Result<Channel> channel = open_channel();
    if (!channel.ok()) return refuse(number, channel.error().errnum);
    const pid_t pid = fork_worker(std::move(channel.value().theirs));
    if (pid < 0) return refuse(number, errno);
    living_.push_back({number, pid});
    tell(Event::started, number, 0, pid, channel.value().ours.get());
  }

  // Returns in the keeper only; -1 and errno where it cannot fork.
  pid_t fork_worker(Fd workers_end) {
    const SignalsBlocked blocked;
    const pid_t keeper = getpid();
    const pid_t pid = fork();
    if (pid != 0) return pid;
    close_all_but(workers_end);
    confine_process();
    die_with_parent();
    if (getppid() != keeper) _exit(kExitOk);  // it died before it could be named
    run_worker(workers_end, settings_);
  }

  // A number that is not there has ended, and the front has not read it yet.
  void kill_worker(std::uint64_t number) {
    const auto worker = find(number);
    if (worker != living_.end()) ::kill(worker->pid, SIGKILL);
  }

  void bury_children() {
    signalfd_siginfo note{};
    while (read(children_.get(), &note, sizeof note) > 0) {
    }
    for (;;) {
      const pid_t pid = waitpid(-1, nullptr, WNOHANG);
      if (pid <= 0) return;
      for (auto worker = living_.begin(); worker != living_.end(); ++worker) {
        if (worker->pid != pid) continue;
        const std::uint64_t number = worker->number;
        living_.erase(worker);
        tell(Event::ended, number, 0, pid, -1);
        break;
      }
    }
  }

  void refuse(std::uint64_t number, int errnum) { tell(Event::refused, number, errnum, 0, -1); }

  void tell(Event event, std::uint64_t number, int errnum, pid_t pid, int fd) {
    News news;
    news.event = event;
    news.worker = number;
    news.errnum = errnum;
    news.pid = pid;
    if (!send_message(socket_, as_bytes(news), fd, Waiting::allowed).ok()) end(kExitOk);
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
  KeeperSettings settings_;
  Fd children_;
  std::vector<Living> living_;
};

// Copies a message of T's size; false for any other.
template <class T>
bool copy_message(std::string_view message, T& out) {
  if (message.size() != sizeof(T)) return false;
  memcpy(&out, message.data(), sizeof(T));
  return out.magic == kOrderMagic;
}

}  // namespace

Result<Keeper> start_keeper(const KeeperSettings& settings) {
  QV_TRY(Channel channel, open_channel());
  const SignalsBlocked blocked;
  const pid_t pid = fork();
  if (pid < 0) return errno_error("fork");
  if (pid > 0) return Keeper{std::move(channel.ours), pid};
  channel.ours.reset();
  close_all_but(channel.theirs);
  confine_process();
  shed_groups();
  KeeperProcess(std::move(channel.theirs), settings).run();
}

Result<Order> validate_order(std::string_view message) {
  Order order;
  if (!copy_message(message, order)) return Error{Fault::protocol, EPROTO, "order"};
  switch (order.command) {
    case Command::start:
    case Command::kill:
      return order;
  }
  return Error{Fault::protocol, EPROTO, "order"};
}

Result<News> validate_news(std::string_view message) {
  News news;
  if (!copy_message(message, news)) return Error{Fault::protocol, EPROTO, "news"};
  switch (news.event) {
    case Event::started:
    case Event::refused:
    case Event::ended:
      return news;
  }
  return Error{Fault::protocol, EPROTO, "news"};
}

}  // namespace qv::helper
