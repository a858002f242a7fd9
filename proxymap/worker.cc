// SPDX-License-Identifier: 0BSD
#include "proxymap/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "core/clock.h"
#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/cdb_file.h"
#include "maps/open.h"
#include "proxymap/job.h"
#include "proxymap/tables.h"

namespace qv::proxymap {

namespace {

class JobServer {
 public:
  JobServer(const Fd& socket, const WorkerSettings& settings)
      : socket_(socket),
        settings_(settings),
        tables_(
            [this](std::string_view table, const MapOptions& options) {
              return open_watched_map(table, options,
                                      [this](std::string_view line) { note(line); });
            },
            settings.for_update) {}

  void run() {
    while (receive()) {
      Job job;
      if (decoder_.scan(in_) == Frame::partial) continue;
      if (decoder_.scan(in_) == Frame::malformed || !parse_job(decoder_, in_, job)) return;
      in_.erase(0, decoder_.size());
      decoder_.reset();
      if (!answer(job)) return;
    }
  }

 private:
  void note(std::string_view line) {
    if (!notes_.empty()) notes_ += "; ";
    notes_ += line;
  }

  bool answer(const Job& job) {
    Table& table = tables_.add(job.table);
    table.last_used_us = monotonic_us();
    JobAnswer out = carry_out(tables_.map(table, job.no_substitution), job);
    if (!notes_.empty()) out.detail = std::exchange(notes_, {});
    std::string bytes;
    append_answer(bytes, out);
    return write_all(socket_.get(), bytes).ok();
  }

  // Waits for more input; false when there will be none.
  bool receive() {
    pollfd watch{socket_.get(), POLLIN, 0};
    const int limit_ms = tables_.size() == 0 ? -1 : static_cast<int>(settings_.max_idle_us / 1000);
    const int ready = ::poll(&watch, 1, limit_ms);
    if (ready <= 0) {
      tables_.close_idle(monotonic_us() - settings_.max_idle_us);
      return ready == 0 || errno == EINTR;
    }
    char buffer[65536];
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) return true;
    if (n <= 0) return false;
    in_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  const Fd& socket_;
  const WorkerSettings& settings_;
  AttributeDecoder decoder_{kJobLimits};
  std::string in_;
  std::string notes_;
  Tables tables_;
};

// The server's descriptors (clients, listeners, the loop) are none of the worker's business.
[[noreturn]] void become_worker(Fd socket, const WorkerSettings& settings) {
  constexpr int kSocket = 3;
  if (socket.get() != kSocket && ::dup2(socket.get(), kSocket) < 0) _exit(kExitTemporary);
  if (socket.get() == kSocket) static_cast<void>(socket.release());
  ::close_range(kSocket + 1, ~0u, 0);
  const Fd mine(kSocket);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGHUP, SIGTERM, SIGINT, SIGCHLD, SIGUSR2}) ::signal(number, SIG_DFL);
  // It is the server that counts; who signals by the program's name means that one.
  ::signal(SIGUSR1, SIG_IGN);
  guard_against_truncation();
  serve_jobs(mine, settings);
  _exit(kExitOk);
}

}  // namespace

void serve_jobs(const Fd& socket, const WorkerSettings& settings) {
  JobServer(socket, settings).run();
}

Result<Worker> start_worker(const WorkerSettings& settings) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return errno_error("socketpair");
  }
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  const int flags = ::fcntl(ours.get(), F_GETFL);
  if (flags < 0 || ::fcntl(ours.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return errno_error("fcntl");
  }
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork");
  if (pid == 0) become_worker(std::move(theirs), settings);
  return Worker{pid, std::move(ours)};
}

}  // namespace qv::proxymap
