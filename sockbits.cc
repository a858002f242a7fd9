// SPDX-License-Identifier: 0BSD
#include "sockbits.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/fault.h"

namespace qv {

namespace {

enum class Sent : std::uint8_t { yes, no_room, failed };
enum class Read : std::uint8_t { answer, other, nothing, failed };

Sent send_question(SocketQuery& query, int fd) {
  // The first error may belong to an earlier datagram (a late ICMP): reporting clears it, and this
  // question is not sent yet.  The second one belongs to this question.
  int errors = 0;
  while (errors < 2) {
    const ssize_t n =
        send(fd, query.question.data(), query.question.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) return Sent::yes;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Sent::no_room;
    if (errno == EINTR) continue;
    // A Unix socket that was refused is no longer connected: the first error tells why.
    if (errno != ENOTCONN) query.error = errno;
    ++errors;
  }
  return Sent::failed;
}

// Receives one datagram; with `flags` 0 it waits up to the socket's own time limit.
Read read_datagram(SocketQuery& query, int fd, int flags) {
  const ssize_t n = recv(fd, query.buffer.data(), query.buffer.size(), flags);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Read::nothing;
    query.error = errno;
    return Read::failed;
  }
  const auto length = static_cast<std::size_t>(n);
  if (length == query.buffer.size()) return Read::other;
  const std::string_view datagram(query.buffer.data(), length);
  if (!query.is_answer(query.context, fd, datagram)) return Read::other;
  query.answer = datagram;
  query.from = fd;
  return Read::answer;
}

// Sockets to wait on: first the one that the question goes to, if any, then those asked before.
class PollSet {
 public:
  // `unsent`: the question still has to be sent on `fd`, as soon as there is room for it.
  PollSet(SocketQuery& query, int fd, bool unsent) : query_(query), unsent_(unsent) {
    QV_CHECK(query.asked.size() <= kMaxAsked);
    set_[0] = pollfd{fd, POLLIN, 0};
    for (const int other : query.asked) {
      if (other != fd) set_[count_++] = pollfd{other, POLLIN, 0};
    }
  }

  Received wait(std::int64_t deadline_us) {
    for (;;) {
      const std::int64_t left_us = deadline_us - monotonic_us();
      if (left_us <= 0) return Received::silence;
      set_[0].events = unsent_ ? POLLIN | POLLOUT : POLLIN;
      const int ready = poll(set_, count_, static_cast<int>((left_us + 999) / 1000));
      if (ready < 0 && errno != EINTR) return Received::refused;
      for (nfds_t i = 0; ready > 0 && i < count_; ++i) {
        if (set_[i].revents == 0) continue;
        const Received received = use(set_[i]);
        if (received == Received::answer) return received;
        if (received == Received::refused && i == 0) return received;
        // An error of another server does not concern this question: ignore that socket.
        if (received == Received::refused) set_[i].fd = -1;
      }
    }
  }

 private:
  // silence: continue to wait.
  Received use(const pollfd& ready) {
    if ((ready.revents & POLLOUT) != 0) {
      const Sent sent = send_question(query_, ready.fd);
      if (sent == Sent::failed) return Received::refused;
      unsent_ = sent == Sent::no_room;
    }
    if ((ready.revents & ~POLLOUT) == 0) return Received::silence;
    const Read read = read_datagram(query_, ready.fd, MSG_DONTWAIT);
    if (read == Read::answer) return Received::answer;
    // An error without a datagram would be reported again at once, for ever.
    const bool was_datagram = read == Read::nothing && (ready.revents & POLLIN) != 0;
    return read == Read::other || was_datagram ? Received::silence : Received::refused;
  }

  SocketQuery& query_;
  bool unsent_;
  pollfd set_[kMaxAsked + 1];
  nfds_t count_ = 1;
};

}  // namespace

Received query_skt(SocketQuery& query, int fd, std::int64_t deadline_us, Patience patience) {
  query.error = 0;
  const Sent sent = send_question(query, fd);
  if (sent == Sent::failed) return Received::refused;
  if (sent == Sent::yes && patience == Patience::of_socket && query.asked.empty()) {
    const Read read = read_datagram(query, fd, 0);
    if (read == Read::answer) return Received::answer;
    if (read == Read::failed) return Received::refused;
  }
  return PollSet(query, fd, sent == Sent::no_room).wait(deadline_us);
}

Received wait_skt(SocketQuery& query, std::int64_t deadline_us) {
  // poll() ignores the negative descriptor, so refused can only mean that poll() has no memory.
  const Received received = PollSet(query, -1, false).wait(deadline_us);
  return received == Received::answer ? received : Received::silence;
}

Result<void> set_receive_timeout(int fd, std::int64_t limit_us) {
  const timeval limit{static_cast<time_t>(limit_us / 1000000),
                      static_cast<suseconds_t>(limit_us % 1000000)};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) {
    return errno_error("setsockopt");
  }
  return {};
}

}  // namespace qv
