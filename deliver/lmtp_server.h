// SPDX-License-Identifier: 0BSD
// deliver/lmtp_server.h - LMTP for many clients in one process.
//
// One poll(2) loop; the session is wire/lmtp.h.  A message for one maildir goes to that recipient's
// writer as it comes, which puts it straight into the file that it ends in.  Any other goes to a
// nameless spool file, and from there to the writers of its recipients, several at a time; so does
// one that finds no writer free, because half of them are kept from clients that are slow to send.
// Where a mailbox has a limit its writer is asked at RCPT already whether there is room.
// Nothing but one piece of a message is ever in memory.  While its deliveries run, or a writer is
// behind, a client's further bytes wait in its socket.
//
// The tables are asked in this loop: a networked table that is slow makes this process's other
// clients wait, for as long as the table's own time limit.
//
// Bounded: clients, recipients, message size, spool files kept, bytes per client, silence.
// Threads: none.  Tests: tests/e2e/deliver.py
#ifndef QV_DELIVER_LMTP_SERVER_H_
#define QV_DELIVER_LMTP_SERVER_H_

#include <poll.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/agent.h"
#include "deliver/counters.h"
#include "wire/lmtp.h"

namespace qv {

class LmtpServer {
 public:
  // Accepts on `listeners` (non-blocking; not closed).
  // REQUIRES: `agent` and `counters` outlive this object.
  LmtpServer(Agent& agent, std::string host, std::vector<int> listeners, DeliverCounters& counters);
  ~LmtpServer();
  LmtpServer(const LmtpServer&) = delete;
  LmtpServer& operator=(const LmtpServer&) = delete;

  // Serves one client that is there already; replies go to `output`.  Neither is closed.
  void add_client(int input, int output);

  // Serves until stop() was called, or, without listeners, until the last client is gone.
  void run();

  // From a signal handler: no new clients; those that are idle are told 421, messages under way
  // are ended.
  static void stop();

 private:
  struct Client;
  struct Waiting;
  void poll_once();
  void collect(std::vector<pollfd>& polled) const;
  void accept_clients(int listener);
  void read_client(Client& client);
  void take_bytes(Client& client);
  void answer(Client& client, lmtp::Event event);
  void ask_recipient(Client& client);
  void answer_recipient(Client& client, const Outcome& found);
  void begin_message(Client& client);
  void open_message_spool(Client& client);
  void take_body(Client& client, std::string_view piece);
  void spool_body(Client& client, std::string_view piece);
  void push_held(Client& client);
  void open_stream(Client& client);
  void end_stream(Client& client);
  void close_stream(Client& client);
  void stream_died(Client& client);
  void end_message(Client& client);
  void start_jobs();
  [[nodiscard]] Result<int> start_job(const Client& client, std::size_t index);
  void finish_job(int fd);
  void end_job(Client& client, std::size_t index, Outcome outcome, std::int64_t began);
  void reply_all(Client& client);
  void write_client(Client& client);
  void drop_message(Client& client);
  void check_silence();
  void say_goodbye();
  static void say_goodbye_to(Client& client);

  Agent& agent_;
  std::string host_;
  std::vector<int> listeners_;
  DeliverCounters& counters_;
  std::list<Client> clients_;
  std::list<Waiting> waiting_;    // jobs that no writer has yet
  std::vector<Waiting> running_;  // jobs with a writer
  std::vector<Fd> spools_;        // empty ones, for the next message
  std::size_t streams_ = 0;       // messages that go to a writer as they come
  std::vector<char> buffer_;
  std::int64_t now_ = 0;  // monotonic, microseconds
  std::int64_t idle_since_ = 0;
  std::int64_t accept_again_ = 0;  // not before
  bool stopping_ = false;
};

// The SMTP reply that says an outcome: "250 2.0.0 ...", "452 4.3.1 ...".
[[nodiscard]] int reply_code(const Outcome& outcome);

}  // namespace qv

#endif  // QV_DELIVER_LMTP_SERVER_H_
