// SPDX-License-Identifier: 0BSD
// bench/stream_echo.cc - the yardstick: epoll, one read and one write per message, nothing between.
//
//   stream_echo PATH     on a Unix stream socket, until it is killed
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

int listen_on(const char* path) {
  sockaddr_un self{};
  self.sun_family = AF_UNIX;
  strncpy(self.sun_path, path, sizeof self.sun_path - 1);
  unlink(path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(fd, reinterpret_cast<sockaddr*>(&self), sizeof self) != 0 || listen(fd, 1024) != 0) {
    return -1;
  }
  return fd;
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void echo(int fd) {
  char bytes[65536];
  const ssize_t got = read(fd, bytes, sizeof bytes);
  if (got <= 0) {
    close(fd);
  } else if (write(fd, bytes, static_cast<size_t>(got)) != got) {
    close(fd);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int listener = argc == 2 ? listen_on(argv[1]) : -1;
  if (listener < 0) {
    perror("stream_echo");
    return 111;
  }
  const int epoll = epoll_create1(0);
  watch(epoll, listener);
  while (true) {
    epoll_event events[256];
    const int ready = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < ready; ++i) {
      if (events[i].data.fd != listener) {
        echo(events[i].data.fd);
        continue;
      }
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd >= 0) watch(epoll, fd);
    }
  }
}
