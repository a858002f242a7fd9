// SPDX-License-Identifier: 0BSD
// bench/verify_load.cc - a closed-loop client of the verify protocol, and the yardstick for it.
//
//   verify_load SOCKET CONNECTIONS SECONDS COUNT   asks about user0@x.example to user<COUNT-1> at
//                                                  random; prints queries per second, and the
//                                                  median and the 99th percentile of their times,
//                                                  in us
//   verify_load --echo SOCKET                      a bare server: greets, answers every request
//   with
//                                                  the same bytes, by epoll
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/clock.h"
#include "wire/attributes.h"

namespace {

using qv::wire::append_attribute;
using qv::wire::end_attributes;

sockaddr_un address_of(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

int fail(const char* what) {
  perror(what);
  return 111;
}

std::string greeting() {
  std::string out;
  qv::wire::append_attribute(out, "protocol", "address_verification_prrotocol");
  qv::wire::end_attributes(out);
  return out;
}

int echo(const char* path) {
  const sockaddr_un address = address_of(path);
  unlink(path);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 1000) != 0) {
    return fail("listen");
  }
  std::string reply;
  qv::wire::append_attribute(reply, "status", "0");
  qv::wire::append_attribute(reply, "recipient_status", "0");
  qv::wire::append_attribute(reply, "reason", "host 127.0.0.1 said: 250 2.1.5 Ok");
  qv::wire::end_attributes(reply);
  const std::string first = greeting();
  const int epoll = epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    epoll_event events[64];
    const int count = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      char buffer[4096];
      if (fd == listener) {
        event.data.fd = accept(listener, nullptr, nullptr);
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
        if (write(event.data.fd, first.data(), first.size()) < 0) close(event.data.fd);
      } else if (read(fd, buffer, sizeof buffer) <= 0 ||
                 write(fd, reply.data(), reply.size()) < 0) {
        close(fd);
      }
    }
  }
}

struct Client {
  int fd = -1;
  std::int64_t asked_us = 0;
  std::string in;
};

// True once a whole message is in; it is dropped.
bool take_message(std::string& in) {
  qv::wire::AttributeDecoder decoder;
  if (decoder.scan(in) != qv::wire::Frame::whole) return false;
  in.erase(0, decoder.size());
  return true;
}

class Requests {
 public:
  explicit Requests(std::uint64_t count) : count_(count) {}
  // Good until the next call.
  const std::string& next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    request_.clear();
    qv::wire::append_attribute(request_, "request", "query");
    qv::wire::append_attribute(request_, "address",
                               "user" + std::to_string(state_ % count_) + "@x.example");
    qv::wire::end_attributes(request_);
    return request_;
  }

 private:
  std::uint64_t count_;
  std::uint64_t state_ = 88172645463325252u;
  std::string request_;
};

int load(const char* path, std::size_t connections, long seconds, Requests requests) {
  const sockaddr_un address = address_of(path);
  std::vector<Client> clients(connections);
  std::vector<pollfd> polls(connections);
  for (std::size_t i = 0; i < connections; ++i) {
    Client& client = clients[i];
    client.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(client.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return fail("connect");
    }
    polls[i] = {.fd = client.fd, .events = POLLIN, .revents = 0};
  }
  std::vector<std::int64_t> times;
  const std::int64_t end_us = qv::monotonic_us() + seconds * 1000000;
  while (qv::monotonic_us() < end_us) {
    if (poll(polls.data(), polls.size(), 1000) <= 0) continue;
    for (std::size_t i = 0; i < connections; ++i) {
      if (polls[i].revents == 0) continue;
      Client& client = clients[i];
      char buffer[65536];
      const ssize_t got = read(client.fd, buffer, sizeof buffer);
      if (got <= 0) return fail("read");
      client.in.append(buffer, static_cast<std::size_t>(got));
      if (!take_message(client.in)) continue;
      const std::int64_t now_us = qv::monotonic_us();
      if (client.asked_us != 0) times.push_back(now_us - client.asked_us);
      client.asked_us = now_us;
      const std::string& request = requests.next();
      if (write(client.fd, request.data(), request.size()) < 0) return fail("write");
    }
  }
  std::sort(times.begin(), times.end());
  if (times.empty()) return 111;
  printf("%.0f %lld %lld\n", static_cast<double>(times.size()) / static_cast<double>(seconds),
         static_cast<long long>(times[times.size() / 2]),
         static_cast<long long>(times[times.size() * 99 / 100]));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc == 3 && strcmp(argv[1], "--echo") == 0) return echo(argv[2]);
  const std::uint64_t count = argc == 5 ? strtoull(argv[4], nullptr, 10) : 0;
  if (count == 0) {
    fprintf(stderr, "usage: verify_load SOCKET CONNECTIONS SECONDS COUNT | --echo SOCKET\n");
    return 100;
  }
  return load(argv[1], strtoul(argv[2], nullptr, 10), strtol(argv[3], nullptr, 10),
              Requests(count));
}
