// SPDX-License-Identifier: 0BSD
// tests/maps/servers.h - real database servers, each in a directory of its own, on a Unix socket.
//
// Started by a test, as user nobody where the test runs as root (PostgreSQL refuses root); ended by
// pid, and by the kernel when the test dies.  One of each kind serves all tests of a binary.
#ifndef QV_TESTS_MAPS_SERVERS_H_
#define QV_TESTS_MAPS_SERVERS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/maps/scratch.h"

namespace qv::maps {

// A child process; its output goes to a file.
class ServerProcess {
 public:
  ServerProcess() = default;
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() { end(9); }

  void start(const std::vector<std::string>& command, const std::string& log);
  // Sends the signal and waits; after five seconds it kills.
  void end(int signal_number);
  [[nodiscard]] bool running() const { return pid_ > 0; }
  // True, once, where it has ended by itself.
  [[nodiscard]] bool has_ended();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

class TestServer {
 public:
  virtual ~TestServer() = default;
  // Empty, or what is not installed.
  [[nodiscard]] virtual std::string missing() const = 0;
  // Makes the data, starts, waits until it answers.  False, with the log in the test's output,
  // where it does not.
  [[nodiscard]] bool start();
  void stop() { process_.end(15); }
  // As when the machine dies.
  void kill() { process_.end(9); }
  // Stops it in its tracks, and lets it go on.
  void freeze() const;
  void thaw() const;
  // Gives statements (SQL, LDIF, commands) to the server's own client; true where it was content.
  [[nodiscard]] virtual bool feed(const std::string& text) = 0;

  [[nodiscard]] const Scratch& scratch() const { return scratch_; }
  // The value of `hosts` that leads here.
  [[nodiscard]] virtual std::string host() const = 0;

 protected:
  [[nodiscard]] virtual bool prepare() = 0;  // once, before the first start
  [[nodiscard]] virtual std::vector<std::string> command() const = 0;
  [[nodiscard]] virtual bool answers() = 0;

  Scratch scratch_;
  ServerProcess process_;

 private:
  bool prepared_ = false;
};

// The server of a kind, for all tests of this binary.
TestServer& postgres_server();
TestServer& mariadb_server();
TestServer& ldap_server();
TestServer& redis_server();

// Runs a command to its end with `input`; true where it exits with 0.
[[nodiscard]] bool run_command(const std::vector<std::string>& command, const std::string& input,
                               const std::string& log);
// The first of the paths (patterns of glob(3)) that is there; empty where none is.
[[nodiscard]] std::string find_program(const std::vector<std::string>& patterns);

}  // namespace qv::maps

#endif  // QV_TESTS_MAPS_SERVERS_H_
