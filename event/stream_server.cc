// SPDX-License-Identifier: 0BSD
#include "event/stream_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace qv::event {

namespace {

constexpr std::int64_t kSecond = 1000000;
constexpr std::int64_t kSweepUs = kSecond;
constexpr std::int64_t kEvictableUs = kSecond;  // a shorter silence is a pause in a conversation
constexpr std::int64_t kListenAgainUs = kSecond / 10;
constexpr std::int64_t kTroubleUs = 60 * kSecond;

bool no_descriptors(int errnum) {
  return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

}  // namespace

std::size_t clients_that_fit(std::size_t wanted, std::size_t spare) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  const std::size_t limit = files.rlim_cur;
  return std::min(wanted, limit - std::min(spare, limit / 2));
}

// One connection and its session.
class StreamServer::Client final : public Stream::User {
 public:
  Client(StreamServer& server, Fd fd)
      : stream(server.loop_, std::move(fd), server.limits_.stream), server_(server) {}

  std::size_t on_input(Stream& s, std::string_view input) override {
    return session->on_input(s, input);
  }
  void on_last_input(Stream& s, std::string_view rest) override { session->on_last_input(s, rest); }
  void on_end(Stream& s, StreamEnd why) override {
    session->on_end(s, why);
    server_.on_client_end(*this, why);
  }

  // In this order: the session, destroyed first, may still use the stream.
  Stream stream;
  std::unique_ptr<StreamSession> session;
  Clients::iterator place;

 private:
  StreamServer& server_;
};

StreamServer::StreamServer(Loop& loop, const StreamServerLimits& limits)
    : loop_(loop), limits_(limits), sweep_timer_(loop.every(kSweepUs, [this] { sweep(); })) {}

StreamServer::~StreamServer() = default;

void StreamServer::serve(Fd listener, Factory factory) {
  listeners_.push_back(
      std::make_unique<Listener>(Listener{std::move(listener), std::move(factory), nullptr}));
  watch(*listeners_.back());
}

void StreamServer::watch(Listener& listener) {
  listener.watch =
      loop_.when_readable(listener.fd.get(), [this, l = &listener] { on_connections(*l); });
}

void StreamServer::stop_listening() {
  listen_again_.reset();
  listeners_.clear();
}

void StreamServer::on_connections(Listener& listener) {
  for (int i = 0; i < limits_.accept_batch; ++i) {
    const bool full = clients_.size() >= limits_.max_clients;
    if (full && longest_idle() == nullptr) return wait_for_room("too many clients");
    Fd fd(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      if (full) {
        ++counters_.evicted;
        end(*longest_idle(), StreamEnd::idle);
      }
      add(std::move(fd), listener.factory);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    // accept() checks the limit of open files before the backlog: only at the first call a client
    // is known to wait.
    if (i > 0 || !no_descriptors(errno)) return;
    ++counters_.no_descriptors;
    Client* longest = longest_idle();
    if (longest == nullptr) return wait_for_room("no more descriptors for clients");
    ++counters_.evicted;
    end(*longest, StreamEnd::idle);
  }
}

void StreamServer::add(Fd fd, const Factory& factory) {
  // Fails on a Unix socket, where there is nothing to turn off.
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ++counters_.accepted;
  Client& client = clients_.emplace_front(*this, std::move(fd));
  client.place = clients_.begin();
  client.session = factory(client.stream);
  if (!client.session) {
    clients_.pop_front();
    return;
  }
  client.stream.start(client);
}

// The client that has been idle longest, if long enough.  A walk over all clients, but only when
// there is no room.
StreamServer::Client* StreamServer::longest_idle() {
  Client* longest = nullptr;
  std::int64_t since_us = loop_.now_us() - kEvictableUs;
  for (Client& client : clients_) {
    if (client.stream.idle_since_us() > since_us || client.session->is_busy()) continue;
    since_us = client.stream.idle_since_us();
    longest = &client;
  }
  return longest;
}

void StreamServer::end(Client& client, StreamEnd why) {
  const std::string_view words = client.session->last_words(why);
  if (!words.empty() && client.stream.unsent() == 0) {
    static_cast<void>(::send(client.stream.fd(), words.data(), words.size(), MSG_NOSIGNAL));
  }
  client.stream.end(why);
}

void StreamServer::each_session(const std::function<void(StreamSession&)>& act) {
  for (Client& client : clients_) act(*client.session);
}

// Stops watching the listeners for a while: a readable one would keep the loop from sleeping.
void StreamServer::wait_for_room(std::string_view why) {
  for (const auto& listener : listeners_) listener->watch.reset();
  listen_again_ = loop_.after(kListenAgainUs, [this] {
    for (const auto& listener : listeners_) watch(*listener);
  });
  const std::int64_t now = loop_.now_us();
  if (!trouble_ || (trouble_reported_us_ != 0 && now - trouble_reported_us_ < kTroubleUs)) return;
  trouble_reported_us_ = now;
  trouble_(why);
}

void StreamServer::sweep() {
  const std::int64_t now = loop_.now_us();
  for (auto at = clients_.begin(); at != clients_.end();) {
    Client& client = *at++;
    if (const std::optional<StreamEnd> why = client.stream.overdue(now)) end(client, *why);
  }
}

void StreamServer::on_client_end(Client& client, StreamEnd why) {
  using Counters = StreamServerCounters;
  static constexpr std::uint64_t Counters::*kEnds[] = {
      &Counters::closed_by_peer, &Counters::closed,   &Counters::failed,
      &Counters::too_much_input, &Counters::too_slow, &Counters::idle};
  static_assert(std::size(kEnds) == static_cast<std::size_t>(StreamEnd::idle) + 1);
  ++(counters_.*kEnds[static_cast<std::size_t>(why)]);
  clients_.erase(client.place);
}

}  // namespace qv::event
