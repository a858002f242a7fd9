// SPDX-License-Identifier: 0BSD
#include "deliver/lmtp_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "core/clock.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "deliver/files.h"
#include "deliver/spool.h"

namespace qv {

namespace {

constexpr std::size_t kPiece = 65536;
constexpr std::size_t kMaxReplies = 65536;  // bytes that a client has not taken yet
constexpr std::size_t kMaxSpools = 64;
constexpr off_t kMaxKeptSpool = 1 << 20;
constexpr int kTickMs = 1000;
constexpr std::size_t kRoomQuestion = SIZE_MAX;  // in place of a recipient's number
constexpr std::int64_t kAcceptPauseUs = 1'000'000;
constexpr std::int64_t kWritersKeptUs = 30'000'000;

volatile sig_atomic_t stop_wanted = 0;

lmtp::Limits limits_of(const DeliverSettings& settings) {
  lmtp::Limits limits;
  limits.message = settings.message_limit;
  limits.recipients = settings.recipient_limit;
  return limits;
}

}  // namespace

int reply_code(const Outcome& outcome) {
  switch (outcome.delivery) {
    case Delivery::done:
      return 250;
    case Delivery::retry:
      return outcome.code == "4.3.1" ? 452 : 451;
    case Delivery::refuse:
      break;
  }
  if (outcome.code == "5.2.2") return 552;
  return outcome.code == "5.1.1" ? 550 : 554;
}

struct LmtpServer::Client {
  Client(std::string host, const lmtp::Limits& limits) : session(std::move(host), limits) {}
  int input = -1;
  int output = -1;
  Fd owned;  // where input and output are a socket of ours
  lmtp::Session session;
  std::string pending;     // bytes behind the event that is being worked on
  bool is_behind = false;  // the session may have an event, also where `pending` is empty
  std::string out;
  std::int64_t silent_since = 0;
  bool gone = false;     // nothing more can be sent or read
  bool closing = false;  // to be closed when `out` is sent

  std::vector<Mailbox> boxes;  // one for each recipient of the session
  Mailbox asked;               // of the recipient that is asked about
  // Where the message under way goes: `held`, and from there to a writer (`stream`, once it is more
  // than one piece) or, where `spool` is open, to that.
  bool has_message = false;
  std::string held;
  int stream = -1;
  bool stream_is_full = false;
  bool stream_ends = false;  // the client has sent all of it
  Fd spool;
  off_t spooled = 0;
  std::optional<Outcome> failed;  // why it cannot be kept; what still comes is thrown away
  std::int64_t ended_at = 0;
  std::size_t jobs = 0;  // not ended yet
  std::vector<Outcome> outcomes;

  [[nodiscard]] bool is_delivering() const { return jobs > 0; }
  // Has it begun a message that is not ended?
  [[nodiscard]] bool is_busy() const { return is_delivering() || has_message; }
  // May more of its bytes be looked at?
  [[nodiscard]] bool is_heard() const { return !is_delivering() && !closing && !stream_is_full; }
};

struct LmtpServer::Waiting {
  Client* client;
  std::size_t index;
  int writer = -1;
  std::int64_t began = 0;
};

LmtpServer::LmtpServer(Agent& agent, std::string host, std::vector<int> listeners,
                       DeliverCounters& counters)
    : agent_(agent),
      host_(std::move(host)),
      listeners_(std::move(listeners)),
      counters_(counters),
      buffer_(kPiece),
      now_(monotonic_us()) {}

LmtpServer::~LmtpServer() = default;

void LmtpServer::stop() { stop_wanted = 1; }

void LmtpServer::add_client(int input, int output) {
  ++counters_.accepted;
  Client& client = clients_.emplace_back(host_, limits_of(agent_.settings()));
  client.input = input;
  client.output = output;
  client.silent_since = now_;
  client.session.greet(client.out);
  write_client(client);
}

void LmtpServer::run() {
  idle_since_ = now_;
  while (!clients_.empty() || (!listeners_.empty() && !stopping_)) poll_once();
}

void LmtpServer::collect(std::vector<pollfd>& polled) const {
  for (const Waiting& job : running_) polled.push_back({job.writer, POLLIN, 0});
  const bool accepts =
      !stopping_ && now_ >= accept_again_ && clients_.size() < agent_.settings().connection_limit;
  for (const int listener : listeners_) {
    polled.push_back({accepts ? listener : -1, POLLIN, 0});
  }
  for (const Client& client : clients_) {
    const bool reads = client.is_heard() && client.out.size() < kMaxReplies;
    polled.push_back({reads ? client.input : -1, POLLIN, 0});
    polled.push_back({client.out.empty() ? -1 : client.output, POLLOUT, 0});
    polled.push_back({client.stream_is_full ? client.stream : -1, POLLOUT, 0});
  }
}

void LmtpServer::poll_once() {
  std::vector<pollfd> polled;
  collect(polled);
  const int ready = poll(polled.data(), polled.size(), kTickMs);
  now_ = monotonic_us();
  if ((stop_wanted != 0 || !agent_.is_able()) && !stopping_) say_goodbye();
  if (ready > 0) {
    std::size_t at = 0;
    const std::size_t jobs = running_.size();
    std::vector<int> ended;
    for (; at < jobs; ++at) {
      if (polled[at].revents != 0) ended.push_back(polled[at].fd);
    }
    const std::size_t clients = clients_.size();
    const std::size_t first_client = at + listeners_.size();
    auto client = clients_.begin();
    for (std::size_t i = 0; i < clients; ++i, ++client) {
      const pollfd* of_client = &polled[first_client + 3 * i];
      if (of_client[0].revents != 0) read_client(*client);
      if (of_client[1].revents != 0) write_client(*client);
      if (of_client[2].revents != 0) push_held(*client);
    }
    for (const int fd : ended) finish_job(fd);
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if (polled[at + i].revents != 0) accept_clients(listeners_[i]);
    }
  }
  start_jobs();
  // Clients whose deliveries have ended, or whose writers have caught up, with bytes that came
  // meanwhile.
  for (Client& client : clients_) {
    if (client.is_behind && client.is_heard()) take_bytes(client);
  }
  check_silence();
  std::erase_if(clients_, [this](Client& client) {
    const bool ends = client.gone || (client.closing && client.out.empty());
    if (!ends || client.is_delivering()) return false;
    drop_message(client);
    return true;
  });
}

void LmtpServer::accept_clients(int listener) {
  while (clients_.size() < agent_.settings().connection_limit) {
    Fd accepted(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted.valid()) {
      // Out of descriptors: asking again at once would only keep a core busy.
      if (errno == EMFILE || errno == ENFILE) accept_again_ = now_ + kAcceptPauseUs;
      return;
    }
    const int fd = accepted.get();
    add_client(fd, fd);
    clients_.back().owned = std::move(accepted);
  }
}

void LmtpServer::read_client(Client& client) {
  const ssize_t n = ::read(client.input, buffer_.data(), buffer_.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (n < 0) {
    client.gone = true;
    return;
  }
  if (n == 0) {
    // It will say nothing more; it may still read.
    client.closing = true;
    return;
  }
  client.silent_since = now_;
  client.pending.append(buffer_.data(), static_cast<std::size_t>(n));
  take_bytes(client);
}

void LmtpServer::take_bytes(Client& client) {
  std::string_view input = client.pending;
  client.is_behind = true;
  while (client.is_behind && client.is_heard()) {
    const lmtp::Event event = client.session.next(input, client.out);
    client.is_behind = event != lmtp::Event::more;
    answer(client, event);
  }
  client.pending.erase(
      0, client.closing ? client.pending.size() : client.pending.size() - input.size());
  write_client(client);
}

void LmtpServer::answer(Client& client, lmtp::Event event) {
  switch (event) {
    case lmtp::Event::more:
      return;
    case lmtp::Event::recipient:
      return ask_recipient(client);
    case lmtp::Event::begin:
      return begin_message(client);
    case lmtp::Event::body:
      return take_body(client, client.session.body());
    case lmtp::Event::end:
      ++counters_.messages;
      return end_message(client);
    case lmtp::Event::dropped:
      return drop_message(client);
    case lmtp::Event::closed:
      client.closing = true;
      return;
  }
}

void LmtpServer::ask_recipient(Client& client) {
  ++counters_.recipients;
  // A new transaction begins with a session that has no recipient yet.
  client.boxes.resize(client.session.recipients().size());
  client.asked = {};
  const Outcome found = agent_.find(client.session.recipient(), client.asked);
  // Who would have to wait for a free writer is told when the message is there.
  const bool can_ask = agent_.writers().has_room() && needs_room(agent_.settings(), client.asked);
  if (found.delivery != Delivery::done || !can_ask) return answer_recipient(client, found);
  client.jobs = 1;
  waiting_.push_back({&client, kRoomQuestion, -1, now_});
  start_jobs();
}

void LmtpServer::answer_recipient(Client& client, const Outcome& found) {
  if (found.delivery == Delivery::done) {
    client.boxes.push_back(std::move(client.asked));
    return client.session.accept_recipient(client.out);
  }
  ++counters_.refused_recipients;
  log_delivery({client.session.sender(), client.session.recipient(), client.session.recipient()},
               client.asked, found, 0);
  client.session.refuse_recipient({reply_code(found), found.code, found.text}, client.out);
}

void LmtpServer::begin_message(Client& client) {
  client.spooled = 0;
  client.failed.reset();
  client.stream_ends = false;
  const bool is_for_one_maildir =
      client.session.recipients().size() == 1 && client.boxes.front().is_maildir();
  if (!is_for_one_maildir) open_message_spool(client);
  if (client.failed) {
    client.session.refuse_message({452, "4.3.1", "message cannot be stored now"}, client.out);
    return;
  }
  client.has_message = true;
  client.session.accept_message(client.out);
}

void LmtpServer::open_message_spool(Client& client) {
  if (!spools_.empty()) {
    client.spool = std::move(spools_.back());
    spools_.pop_back();
    return;
  }
  Result<Fd> spool = open_spool(agent_.settings().spool_directory);
  if (spool.ok()) {
    client.spool = std::move(spool).value();
    return;
  }
  log_notice("spool", spool.error().what);
  client.failed = cannot_spool(spool.error());
}

void LmtpServer::take_body(Client& client, std::string_view piece) {
  if (client.failed) return;
  if (client.spool.valid()) return spool_body(client, piece);
  client.held += piece;
  // What fits in one packet is delivered with one, when it is whole: it keeps no writer waiting.
  if (client.held.size() > kMaxPiece) push_held(client);
}

void LmtpServer::spool_body(Client& client, std::string_view piece) {
  while (!piece.empty() && !client.failed) {
    const ssize_t n = retry_eintr(
        [&] { return ::pwrite(client.spool.get(), piece.data(), piece.size(), client.spooled); });
    if (n <= 0) {
      client.failed = cannot_spool(errno_error("store the message"));
      return;
    }
    client.spooled += n;
    piece = after_bytes(piece, static_cast<std::size_t>(n));
  }
}

// Gives the writer what it takes; keeps less than a piece back, to have one that can be the last.
void LmtpServer::push_held(Client& client) {
  if (client.stream < 0) open_stream(client);
  std::size_t sent = 0;
  client.stream_is_full = false;
  while (client.stream >= 0 && !client.stream_is_full && client.held.size() - sent > kMaxPiece) {
    const std::string_view piece = first_bytes(after_bytes(client.held, sent), kMaxPiece);
    switch (agent_.writers().send(client.stream, piece)) {
      case Writers::Sent::yes:
        sent += piece.size();
        break;
      case Writers::Sent::later:
        client.stream_is_full = true;
        break;
      case Writers::Sent::dead:
        return stream_died(client);
    }
  }
  client.held.erase(0, sent);
  if (client.stream >= 0 && client.stream_ends && !client.stream_is_full) end_stream(client);
}

// Where there is no writer for it the message is spooled.
void LmtpServer::open_stream(Client& client) {
  const std::string& recipient = client.session.recipients().front();
  const Job job{{client.session.sender(), recipient, recipient}, client.boxes.front(), 0, 0};
  if (agent_.writers().has_room() && streams_ < agent_.settings().writer_limit / 2) {
    const Result<int> writer = agent_.writers().begin(job, first_bytes(client.held, kMaxPiece));
    if (writer.ok()) {
      client.stream = writer.value();
      client.held.erase(0, kMaxPiece);
      ++streams_;
      return;
    }
  }
  open_message_spool(client);
  if (client.spool.valid()) spool_body(client, client.held);
  client.held = {};
}

void LmtpServer::end_stream(Client& client) {
  switch (agent_.writers().send_last(client.stream, client.held)) {
    case Writers::Sent::yes:
      running_.push_back({&client, 0, client.stream, client.ended_at});
      client.held = {};
      return close_stream(client);
    case Writers::Sent::later:
      client.stream_is_full = true;
      return;
    case Writers::Sent::dead:
      return stream_died(client);
  }
}

// The writer is another's concern from now on, or gone.
void LmtpServer::close_stream(Client& client) {
  client.stream = -1;
  client.stream_is_full = false;
  --streams_;
}

// What is still to come of the message is taken and thrown away.
void LmtpServer::stream_died(Client& client) {
  close_stream(client);
  client.held = {};
  client.failed = retry("4.3.0", "delivery process died");
  if (client.stream_ends) end_message(client);
}

void LmtpServer::end_message(Client& client) {
  const std::size_t count = client.session.recipients().size();
  client.outcomes.assign(count, Outcome{});
  client.jobs = count;
  client.ended_at = now_;
  if (client.failed) {
    for (std::size_t i = 0; i < count; ++i) end_job(client, i, *client.failed, now_);
    return;
  }
  if (client.stream >= 0) {
    client.stream_ends = true;
    return push_held(client);
  }
  for (std::size_t i = 0; i < count; ++i) waiting_.push_back({&client, i, -1, now_});
  start_jobs();
}

void LmtpServer::start_jobs() {
  while (!waiting_.empty() && agent_.writers().has_room()) {
    Waiting job = waiting_.front();
    waiting_.pop_front();
    const Result<int> writer = start_job(*job.client, job.index);
    if (writer.ok()) {
      job.writer = writer.value();
      running_.push_back(job);
      continue;
    }
    end_job(*job.client, job.index, outcome_from(writer.error()), job.began);
  }
}

Result<int> LmtpServer::start_job(const Client& client, std::size_t index) {
  Writers& writers = agent_.writers();
  const lmtp::Session& session = client.session;
  if (index == kRoomQuestion) {
    const std::string& recipient = session.recipient();
    return writers.ask_room(
        {{session.sender(), recipient, recipient}, client.asked, 0, session.announced_size()});
  }
  const std::string& recipient = session.recipients()[index];
  const Job job{{session.sender(), recipient, recipient}, client.boxes[index], 0, 0};
  if (client.spool.valid()) return writers.start(job, client.spool.get());
  return writers.start(job, std::string_view(client.held));
}

void LmtpServer::finish_job(int fd) {
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [fd](const Waiting& job) { return job.writer == fd; });
  if (found == running_.end()) return;
  const Waiting job = *found;
  running_.erase(found);
  end_job(*job.client, job.index, agent_.writers().finish(fd), job.began);
}

void LmtpServer::end_job(Client& client, std::size_t index, Outcome outcome, std::int64_t began) {
  if (index == kRoomQuestion) {
    client.jobs = 0;
    client.silent_since = now_;
    // Who cannot be asked now is asked again when the message is there.
    answer_recipient(client, outcome.delivery == Delivery::retry ? done(0) : outcome);
    if (stopping_) say_goodbye_to(client);
    return write_client(client);
  }
  const std::string& recipient = client.session.recipients()[index];
  counters_.count(outcome);
  log_delivery({client.session.sender(), recipient, recipient}, client.boxes[index], outcome,
               (now_ - began) / 1000);
  client.outcomes[index] = std::move(outcome);
  if (--client.jobs == 0) reply_all(client);
}

void LmtpServer::reply_all(Client& client) {
  drop_message(client);
  client.silent_since = now_;
  for (const Outcome& outcome : client.outcomes) {
    client.session.reply({reply_code(outcome), outcome.code, outcome.text}, client.out);
  }
  client.outcomes.clear();
  client.boxes.clear();
  if (stopping_) say_goodbye_to(client);
  write_client(client);
}

// Forgets what was kept of a message.  A spool file is emptied and kept for the next one, unless it
// is large or there are enough.
void LmtpServer::drop_message(Client& client) {
  client.has_message = false;
  client.held = {};
  if (client.stream >= 0) {
    agent_.writers().drop(client.stream);
    close_stream(client);
  }
  if (!client.spool.valid()) return;
  Fd spool = std::move(client.spool);
  if (client.spooled > kMaxKeptSpool || spools_.size() >= kMaxSpools) return;
  if (::ftruncate(spool.get(), 0) == 0) spools_.push_back(std::move(spool));
}

void LmtpServer::write_client(Client& client) {
  while (!client.out.empty() && !client.gone) {
    const ssize_t n =
        client.owned.valid()
            ? ::send(client.output, client.out.data(), client.out.size(), MSG_NOSIGNAL)
            : ::write(client.output, client.out.data(), client.out.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n < 0) {
      client.gone = true;
      client.out.clear();
      return;
    }
    client.out.erase(0, static_cast<std::size_t>(n));
  }
}

void LmtpServer::check_silence() {
  const auto limit = static_cast<std::int64_t>(agent_.settings().timeout) * 1'000'000;
  for (Client& client : clients_) {
    if (client.is_delivering() || now_ - client.silent_since < limit) continue;
    // It does not read either: what it was told last time it does not get again.
    if (client.closing) client.gone = true;
    client.session.shut_down({421, "4.4.2", "silent for too long"}, client.out);
    client.closing = true;
    client.silent_since = now_;
    write_client(client);
  }
  if (!running_.empty() || !waiting_.empty()) idle_since_ = now_;
  if (now_ - idle_since_ < kWritersKeptUs) return;
  agent_.writers().dismiss_idle();
  idle_since_ = now_;
}

void LmtpServer::say_goodbye() {
  stopping_ = true;
  for (Client& client : clients_) {
    if (client.is_busy()) continue;
    say_goodbye_to(client);
    write_client(client);
  }
}

void LmtpServer::say_goodbye_to(Client& client) {
  client.session.shut_down({421, "4.3.2", "service is shutting down"}, client.out);
  client.closing = true;
}

}  // namespace qv
