// SPDX-License-Identifier: 0BSD
// tests/fakes/responder.h - a verifier in the test's own process that does what it is told.
//
// It listens on a loopback port of its own, or on a Unix socket, in a thread, and answers each
// question with the datagrams that its script returns: none, one, or several.
#ifndef QV_TESTS_FAKES_RESPONDER_H_
#define QV_TESTS_FAKES_RESPONDER_H_

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/fd.h"
#include "wire/datagram.h"

namespace qv::fakes {

// A question as it arrived; `number` counts from 0.
struct Question {
  std::string address, id, client, helo, sender;
  int number = 0;
};

using Datagrams = std::vector<std::string>;
using Script = std::function<Datagrams(const Question&)>;

class Responder {
 public:
  // `where` is an endpoint; port 0 becomes a free one, which stays the same over stop and start.
  explicit Responder(Script script, const std::string& where = "127.0.0.1:0");
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  void stop();  // nobody listens any more; a Unix socket's file is removed
  void start();

  // The address as VERIFY names it.
  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] std::vector<Question> heard() const;

 private:
  void serve();

  Script script_;
  std::string where_;
  Fd socket_;
  Fd wake_read_, wake_write_;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::vector<Question> heard_;
};

// One reply in the extended form, to the question's own id.
[[nodiscard]] std::string reply_to(const Question& question, wire::datagram::Result result,
                                   const std::string& why, const std::string& user = "",
                                   const std::string& text = "");

// The same answer to everything.
[[nodiscard]] Script always(wire::datagram::Result result, const std::string& why,
                            const std::string& user = "", const std::string& text = "");
[[nodiscard]] Script silence();

// An address on loopback where nobody listens.
[[nodiscard]] std::string nobody();

}  // namespace qv::fakes

#endif  // QV_TESTS_FAKES_RESPONDER_H_
