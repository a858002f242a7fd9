// SPDX-License-Identifier: 0BSD
#include "tests/maps/child_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace qv::maps {

namespace {

struct Connection {
  Fd fd;
  std::string in;
};

// False: the connection has ended.
bool serve_once(Connection& connection, const ChildServer::Serve& serve) {
  char buffer[65536];
  const ssize_t n = ::read(connection.fd.get(), buffer, sizeof buffer);
  if (n <= 0) return false;
  connection.in.append(buffer, static_cast<std::size_t>(n));
  std::string out;
  const bool go_on = serve(connection.in, out);
  return ::send(connection.fd.get(), out.data(), out.size(), MSG_NOSIGNAL) >= 0 && go_on;
}

}  // namespace

ChildServer::ChildServer(std::string path, Serve serve, std::string greeting)
    : path_(std::move(path)), serve_(std::move(serve)), greeting_(std::move(greeting)) {}

void ChildServer::run(int listener) const {
  std::vector<Connection> connections;
  for (;;) {
    std::vector<pollfd> items{{listener, POLLIN, 0}};
    for (const Connection& c : connections) items.push_back({c.fd.get(), POLLIN, 0});
    if (poll(items.data(), items.size(), -1) < 0) continue;
    for (std::size_t i = connections.size(); i > 0; --i) {
      if (items[i].revents == 0 || serve_once(connections[i - 1], serve_)) continue;
      connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i) - 1);
    }
    if (items[0].revents == 0) continue;
    connections.push_back({Fd(accept(listener, nullptr, nullptr)), {}});
    send(connections.back().fd.get(), greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
  }
}

bool ChildServer::start() {
  Fd listener;
  if (path_.empty()) {
    listener.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    socklen_t size = sizeof address;
    if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return false;
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  } else {
    unlink(path_.c_str());
    listener.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path_.data(), path_.size());
    if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return false;
    }
  }
  if (listen(listener.get(), 16) != 0) return false;
  pid_ = fork();
  if (pid_ != 0) return pid_ > 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  run(listener.get());
}

void ChildServer::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace qv::maps
