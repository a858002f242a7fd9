// SPDX-License-Identifier: 0BSD
// bench/proxymap_load.cc - a closed-loop client: each connection has one request under way.
//
//   proxymap_load PATH CONNECTIONS SECONDS TABLE KEYS [echo]
//
// Asks TABLE for keys user0@bench.example to user<KEYS-1>@bench.example in turn.  `echo`: the
// server sends back what it gets, without a greeting. median and the 99th percentile of the time to
// a reply in microseconds, how many replies were not "found", and how many there were in all.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "wire/proxymap.h"

namespace {

struct Connection {
  int fd = -1;
  std::int64_t asked_us = 0;
  std::string got;
};

class Load {
 public:
  Load(std::string path, std::string table, std::size_t keys, bool echo)
      : path_(std::move(path)), echo_(echo), epoll_(epoll_create1(0)) {
    for (std::size_t i = 0; i < keys; ++i) {
      qv::wire::proxymap::Request request;
      const std::string key = "user" + std::to_string(i) + "@bench.example";
      request.operation = qv::wire::proxymap::Operation::lookup;
      request.table = table;
      request.key = key;
      requests_.emplace_back();
      qv::wire::proxymap::append_request(requests_.back(), request);
    }
  }

  bool connect(std::size_t count) {
    connections_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      Connection& c = connections_[i];
      sockaddr_un peer{};
      peer.sun_family = AF_UNIX;
      strncpy(peer.sun_path, path_.c_str(), sizeof peer.sun_path - 1);
      c.fd = socket(AF_UNIX, SOCK_STREAM, 0);
      if (::connect(c.fd, reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0) return false;
      char greeting[256];
      if (!echo_ && read(c.fd, greeting, sizeof greeting) <= 0) return false;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
    }
    return true;
  }

  bool run(std::int64_t seconds) {
    const std::int64_t begin = qv::monotonic_us();
    const std::int64_t end = begin + seconds * 1000000;
    for (Connection& c : connections_) ask(c);
    while (qv::monotonic_us() < end) {
      epoll_event events[256];
      const int ready = epoll_wait(epoll_, events, 256, 100);
      for (int i = 0; i < ready; ++i) {
        if (!take(connections_[events[i].data.u64])) return false;
      }
    }
    elapsed_us_ = qv::monotonic_us() - begin;
    return true;
  }

  void print() {
    std::sort(times_.begin(), times_.end());
    const auto at = [this](double part) {
      return times_.empty() ? 0
                            : times_[static_cast<std::size_t>(part * double(times_.size() - 1))];
    };
    printf("%.0f %d %d %zu %zu\n", double(times_.size()) * 1e6 / double(elapsed_us_), at(0.5),
           at(0.99), other_, times_.size());
  }

 private:
  void ask(Connection& c) {
    const std::string& request = requests_[next_++ % requests_.size()];
    c.asked_us = qv::monotonic_us();
    if (write(c.fd, request.data(), request.size()) < 0) abort();
  }

  // A reply comes in one piece: it ends with the NUL of a value and the one behind it.
  bool take(Connection& c) {
    char bytes[65536];
    const ssize_t got = read(c.fd, bytes, sizeof bytes);
    if (got <= 0) return false;
    const std::string_view reply(bytes, static_cast<std::size_t>(got));
    if (!echo_ && reply.substr(0, 8) != std::string_view("status\0000", 8)) ++other_;
    times_.push_back(static_cast<int>(qv::monotonic_us() - c.asked_us));
    ask(c);
    return true;
  }

  std::string path_;
  bool echo_;
  int epoll_;
  std::vector<std::string> requests_;
  std::vector<Connection> connections_;
  std::vector<int> times_;
  std::size_t next_ = 0;
  std::size_t other_ = 0;
  std::int64_t elapsed_us_ = 1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 100;
  Load load(argv[1], argv[4], strtoul(argv[5], nullptr, 10), argc > 6);
  if (!load.connect(strtoul(argv[2], nullptr, 10)) || !load.run(atol(argv[3]))) {
    perror("proxymap_load");
    return 111;
  }
  load.print();
  return 0;
}
