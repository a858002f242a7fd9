// SPDX-License-Identifier: 0BSD
// tests/maps/child_server.h - a server for the socketmap and tcp_table protocols, in a child
// process.
#ifndef QV_TESTS_MAPS_CHILD_SERVER_H_
#define QV_TESTS_MAPS_CHILD_SERVER_H_

#include <functional>
#include <string>
#include <string_view>

#include "core/fd.h"

namespace qv::maps {

class ChildServer {
 public:
  // Takes the requests that are whole off `in` and appends the replies to `out`; false: close.
  using Serve = std::function<bool(std::string& in, std::string& out)>;

  // Listens on a Unix socket, or, with an empty path, on a port of 127.0.0.1.  `greeting` is sent
  // to each client before anything else.
  ChildServer(std::string path, Serve serve, std::string greeting = {});
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;
  ~ChildServer() { kill(); }

  bool start();
  void kill();
  [[nodiscard]] int port() const { return port_; }

 private:
  [[noreturn]] void run(int listener) const;

  std::string path_;
  Serve serve_;
  std::string greeting_;
  int port_ = 0;
  int pid_ = -1;
};

}  // namespace qv::maps

#endif  // QV_TESTS_MAPS_CHILD_SERVER_H_
