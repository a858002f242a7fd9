// SPDX-License-Identifier: 0BSD
#include "verifyask.h"

#include <sys/random.h>
#include <unistd.h>

#include <utility>

#include "core/clock.h"
#include "sockbits.h"

namespace qv {

namespace {

constexpr std::size_t kIdBytes = wire::datagram::kMaxId / 2;

// 128 random bits, as hexadecimal.
bool make_id(std::span<char, wire::datagram::kMaxId> id) {
  constexpr char kHex[] = "0123456789abcdef";
  unsigned char bytes[kIdBytes];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return false;
  for (std::size_t i = 0; i < kIdBytes; ++i) {
    id[2 * i] = kHex[bytes[i] >> 4];
    id[2 * i + 1] = kHex[bytes[i] & 15];
  }
  return true;
}

// One question and its slots.
class Round {
 public:
  Round(const VerifyValue& value, ServerSockets& sockets, Pace pace, std::string_view id,
        std::string_view question, Inquiry& inquiry)
      : value_(value),
        sockets_(sockets),
        fail_fast_(pace == Pace::fail_fast),
        id_(id),
        inquiry_(inquiry),
        current_(sockets.turn) {
    asked_.fill(-1);
    inquiry.states = {};
    query_.question = question;
    query_.is_answer = is_answer;
    query_.context = this;
    query_.buffer = inquiry.buffer;
  }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  Asked run() {
    const std::int64_t timeout_us = std::int64_t{value_.timeout} * 1000000;
    const auto slots = static_cast<std::int64_t>(slot_count());
    const std::int64_t start_us = monotonic_us();
    for (std::int64_t slot = 1; slot <= slots; ++slot) {
      if (ask_in_slot(start_us + timeout_us * slot / slots)) return Asked::answered;
      if (fail_fast_ && !waiting_) break;
      if (slot < slots) next();
    }
    inquiry_.server = current_;
    if (find_legacy_server()) return Asked::legacy;
    return waiting_ ? Asked::timeout : Asked::unreachable;
  }

  // More than one datagram was sent: answers to this question may arrive during the next.
  [[nodiscard]] bool repeated() const { return sent_ > 1; }

 private:
  using Kind = ServerState::Kind;

  static bool is_answer(void* context, int from, std::string_view bytes) {
    return static_cast<Round*>(context)->consume_datagram(from, bytes);
  }

  // True ends the wait; `accepted_`: this is the answer.
  bool consume_datagram(int from, std::string_view bytes) {
    const std::size_t sender = server_of(from);
    const wire::datagram::ReplyForm form = wire::datagram::parse_reply(bytes, inquiry_.reply);
    if (form == wire::datagram::ReplyForm::malformed) return false;
    if (form == wire::datagram::ReplyForm::extended) {
      // A server that knows this form is no old daemon, and did not send a reply without an id.
      extended_[sender] = true;
      accepted_ = inquiry_.reply.id == id_;
      return accepted_;
    }
    accepted_ = value_.legacy;
    if (accepted_) return true;
    legacy_[sender] = true;
    return fail_fast_ && sender == current_ && !extended_[sender];
  }

  // Completes the states; true where a server sent only legacy replies.  `server` is the first
  // such.
  bool find_legacy_server() {
    bool found = false;
    for (std::size_t i = value_.servers; i-- > 0;) {
      if (!legacy_[i] || extended_[i]) continue;
      inquiry_.states[i] = {Kind::legacy, 0};
      inquiry_.server = i;
      found = true;
    }
    return found;
  }

  [[nodiscard]] std::size_t server_of(int fd) const {
    for (std::size_t i = 0; i < value_.servers; ++i) {
      if (sockets_.fd[i] == fd) return i;
    }
    return current_;
  }

  [[nodiscard]] std::size_t slot_count() const {
    return value_.tries > value_.servers ? value_.tries : value_.servers;
  }
  void next() { current_ = (current_ + 1) % value_.servers; }

  // True: answered.  Asks each server at most once.
  bool ask_in_slot(std::int64_t deadline_us) {
    for (std::size_t i = 0; i < value_.servers; ++i) {
      if (i > 0) next();
      const Received received = ask_current(deadline_us);
      if (received == Received::answer && accepted_) return answered();
      if (received == Received::silence) {
        waiting_ = true;
        return false;
      }
    }
    if (fail_fast_ && !waiting_) return false;
    query_.asked = asked_;
    return wait_skt(query_, deadline_us) == Received::answer && accepted_ && answered();
  }

  bool answered() {
    inquiry_.server = server_of(query_.from);
    sockets_.turn = inquiry_.server;
    return true;
  }

  Received ask_current(std::int64_t deadline_us) {
    const bool was_open = sockets_.fd[current_] >= 0;
    Received received = send_to_current(deadline_us);
    if (received == Received::refused && was_open && is_unix(value_.server[current_])) {
      // The file may be another socket by now, and only a new connection reaches that.
      close(std::exchange(sockets_.fd[current_], -1));
      asked_[current_] = -1;
      received = send_to_current(deadline_us);
    }
    const bool refused = received == Received::refused;
    inquiry_.states[current_] = {refused ? Kind::refused : Kind::silent,
                                 refused ? query_.error : 0};
    return received;
  }

  Received send_to_current(std::int64_t deadline_us) {
    const int fd = open_current();
    if (fd < 0) return Received::refused;
    // Only the first wait of a round has a whole slot.
    const Patience patience = sent_ == 0 ? Patience::of_socket : Patience::of_deadline;
    ++sent_;
    query_.asked = asked_;
    if (patience == Patience::of_socket) query_.asked = {};
    const Received received = query_skt(query_, fd, deadline_us, patience);
    asked_[current_] = fd;
    return received;
  }

  int open_current() {
    int& fd = sockets_.fd[current_];
    if (fd >= 0) return fd;
    Result<Fd> opened = connect_udp(value_.server[current_]);
    if (!opened.ok()) {
      query_.error = opened.error().errnum;
      return -1;
    }
    const std::int64_t slot_us =
        std::int64_t{value_.timeout} * 1000000 / static_cast<std::int64_t>(slot_count());
    if (!set_receive_timeout(opened.value().get(), slot_us).ok()) return -1;
    fd = opened.value().release();
    return fd;
  }

  const VerifyValue& value_;
  ServerSockets& sockets_;
  const bool fail_fast_;
  const std::string_view id_;
  Inquiry& inquiry_;
  SocketQuery query_;
  std::size_t current_;
  std::array<int, kMaxServers> asked_;
  // The forms of replies from each server, accepted or not.
  std::array<bool, kMaxServers> legacy_{};
  std::array<bool, kMaxServers> extended_{};
  bool accepted_ = false;
  unsigned sent_ = 0;
  bool waiting_ = false;  // a server that has the question may still answer
};

}  // namespace

void start_sockets(ServerSockets& sockets) {
  sockets.fd.fill(-1);
  sockets.turn = 0;
}

void close_sockets(ServerSockets& sockets) {
  for (int& fd : sockets.fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
}

Asked ask_servers(const VerifyValue& value, ServerSockets& sockets, wire::datagram::Query query,
                  Pace pace, Inquiry& inquiry) {
  std::array<char, wire::datagram::kMaxId> id;
  std::array<char, wire::datagram::kMaxDatagram> question;
  if (!make_id(id)) return Asked::no_question;
  query.id = {id.data(), id.size()};
  const std::size_t length = wire::datagram::encode_query(query, question);
  if (length == 0) return Asked::no_question;

  Round round(value, sockets, pace, query.id, {question.data(), length}, inquiry);
  const Asked asked = round.run();
  // A late answer without an id would pass for that to the next question.  It does not reach new
  // sockets, which have other ports.
  if (value.legacy && (asked != Asked::answered || round.repeated())) close_sockets(sockets);
  return asked;
}

}  // namespace qv
