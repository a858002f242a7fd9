// SPDX-License-Identifier: 0BSD
// bench/udp_echo.cc - the yardstick: one recvfrom and one sendto per datagram, nothing between.
//
//   udp_echo PORT        on 127.0.0.1, until it is killed
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 2) return 100;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  self.sin_port = htons(static_cast<in_port_t>(strtoul(argv[1], nullptr, 10)));
  if (bind(fd, reinterpret_cast<sockaddr*>(&self), sizeof self) != 0) {
    perror("bind");
    return 111;
  }
  while (true) {
    char bytes[2048];
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const ssize_t got =
        recvfrom(fd, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (got >= 0) {
      sendto(fd, bytes, static_cast<size_t>(got), 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
  }
}
