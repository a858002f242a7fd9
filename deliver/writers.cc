// SPDX-License-Identifier: 0BSD
#include "deliver/writers.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "core/fault.h"
#include "deliver/files.h"
#include "deliver/packets.h"
#include "deliver/writing.h"

namespace qv {

Writers::Writers(const DeliverSettings& settings, Hire hire)
    : settings_(settings), hire_(std::move(hire)) {
  signal(SIGCHLD, SIG_IGN);
}

Writers::Writers(const DeliverSettings& settings, std::string host)
    : Writers(settings, [&settings, host = std::move(host)](const Job& job) {
        return fork_writer(settings, host, job.mailbox.uid, job.mailbox.gid);
      }) {}

Writers::Writer* Writers::find_idle(uid_t uid, gid_t gid) {
  for (Writer& writer : writers_) {
    if (!writer.is_busy && writer.uid == uid && writer.gid == gid) return &writer;
  }
  return nullptr;
}

// Another account's writer without work goes, so that there is place for one with work.
void Writers::make_room() {
  if (writers_.size() < settings_.writer_limit) return;
  for (std::size_t i = 0; i < writers_.size(); ++i) {
    if (writers_[i].is_busy) continue;
    writers_.erase(writers_.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

Result<int> Writers::start(const Job& job, int message) {
  return start_with(job, kFromFile + encode_job(job), message);
}

Result<int> Writers::ask_room(const Job& job) {
  return start_with(job, kRoom + encode_job(job), -1);
}

Result<int> Writers::start(const Job& job, std::string_view body) {
  return start_with(job, kWhole + join_two(encode_job(job), body), -1);
}

Result<int> Writers::begin(const Job& job, std::string_view body) {
  return start_with(job, kBegin + join_two(encode_job(job), body), -1);
}

Result<int> Writers::start_with(const Job& job, std::string_view packet, int message) {
  if (packet.size() > kMaxPacket) return Error{Fault::config, 0, "envelope or path is too long"};
  Writer* writer = find_idle(job.mailbox.uid, job.mailbox.gid);
  if (writer != nullptr && !send_packet(writer->socket.get(), packet, message)) {
    // It died while it had nothing to do.
    forget(writer->socket.get());
    writer = nullptr;
  } else if (writer != nullptr) {
    writer->is_busy = true;
    ++busy_;
    return writer->socket.get();
  }
  make_room();
  QV_TRY(Fd socket, hire_(job));
  Writer hired{std::move(socket), job.mailbox.uid, job.mailbox.gid, false};
  if (!send_packet(hired.socket.get(), packet, message)) return errno_error("send to the writer");
  hired.is_busy = true;
  ++busy_;
  const int fd = hired.socket.get();
  writers_.push_back(std::move(hired));
  return fd;
}

Writers::Sent Writers::send_packet_to(int fd, char kind, std::string_view piece) {
  iovec pieces[2] = {{&kind, 1}, {const_cast<char*>(piece.data()), piece.size()}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  const ssize_t sent =
      retry_eintr([&] { return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (sent >= 0) return Sent::yes;
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Sent::later;
  drop(fd);
  return Sent::dead;
}

Writers::Sent Writers::send(int fd, std::string_view piece) {
  return send_packet_to(fd, kMore, piece);
}

Writers::Sent Writers::send_last(int fd, std::string_view piece) {
  return send_packet_to(fd, kLast, piece);
}

void Writers::drop(int fd) {
  --busy_;
  forget(fd);
}

Outcome Writers::finish(int fd) {
  std::string packet;
  Fd none;
  const bool received = receive_packet(fd, packet, none);
  const std::optional<Outcome> outcome =
      received ? decode_outcome(packet) : std::optional<Outcome>{};
  --busy_;
  if (!outcome) {
    forget(fd);
    return retry("4.3.0", "delivery process died");
  }
  for (Writer& writer : writers_) {
    if (writer.socket.get() == fd) writer.is_busy = false;
  }
  return *outcome;
}

void Writers::forget(int fd) {
  std::erase_if(writers_, [fd](const Writer& writer) { return writer.socket.get() == fd; });
}

void Writers::dismiss_idle() {
  std::erase_if(writers_, [](const Writer& writer) { return !writer.is_busy; });
}

}  // namespace qv
