// SPDX-License-Identifier: 0BSD
#include "deliver/writers.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "core/fault.h"
#include "core/text.h"
#include "deliver/as_user.h"
#include "deliver/files.h"

namespace qv {

namespace {

constexpr std::size_t kMaxPacket = 32768;  // a job: three addresses and two paths
constexpr int kWriterSocket = 3;

// One packet, with a descriptor where `passed` is one.
bool send_packet(int socket, std::string_view bytes, int passed) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  return retry_eintr([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); }) ==
         static_cast<ssize_t>(bytes.size());
}

// One packet; false at the end.
bool receive_packet(int socket, std::string& bytes, Fd& passed) {
  bytes.resize(kMaxPacket);
  iovec piece{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = retry_eintr([&] { return recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  if (n <= 0) return false;
  bytes.resize(static_cast<std::size_t>(n));
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    passed.reset(fd);
  }
  return true;
}

// Leaves the writer with its socket and standard error: no client, no listener, no table.
void close_others(int socket) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) _exit(111);
  if (socket != kWriterSocket && dup2(socket, kWriterSocket) < 0) _exit(111);
  if (close_range(kWriterSocket + 1, ~0u, 0) != 0) {
    const long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = kWriterSocket + 1; fd < static_cast<int>(limit); ++fd) ::close(fd);
  }
}

[[noreturn]] void write_mailboxes(const DeliverSettings& settings, const std::string& host,
                                  uid_t uid, gid_t gid) {
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  // A stop is for whoever sends the jobs: a delivery that has begun is ended.
  signal(SIGTERM, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  const Result<void> become = become_user(uid, gid);
  if (chdir("/") != 0) _exit(111);
  SystemFiles files;
  std::string packet;
  for (;;) {
    Fd message;
    if (!receive_packet(kWriterSocket, packet, message)) _exit(0);
    const std::optional<Job> job = decode_job(packet);
    if (!job || job->mailbox.uid != uid || job->mailbox.gid != gid) _exit(111);
    const Outcome outcome = become.ok() ? perform(files, settings, host, *job, message.get())
                                        : outcome_from(become.error());
    message.reset();  // before anybody is told: the file may be used again then
    if (!send_packet(kWriterSocket, encode_outcome(outcome), -1)) _exit(111);
    if (!become.ok()) _exit(111);
  }
}

}  // namespace

Writers::Writers(const DeliverSettings& settings, std::string host)
    : settings_(settings), host_(std::move(host)) {
  signal(SIGCHLD, SIG_IGN);
}

Writers::Writer* Writers::find_idle(uid_t uid, gid_t gid) {
  for (Writer& writer : writers_) {
    if (!writer.is_busy && writer.uid == uid && writer.gid == gid) return &writer;
  }
  return nullptr;
}

Result<Writers::Writer> Writers::hire(uid_t uid, gid_t gid) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return errno_error("socketpair");
  }
  Fd ours(pair[0]);
  const Fd theirs(pair[1]);
  const pid_t child = fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) {
    close_others(theirs.get());
    write_mailboxes(settings_, host_, uid, gid);
  }
  return Writer{std::move(ours), uid, gid, false};
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
  const std::string packet = encode_job(job);
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
  QV_TRY(Writer hired, hire(job.mailbox.uid, job.mailbox.gid));
  if (!send_packet(hired.socket.get(), packet, message)) return errno_error("send to the writer");
  hired.is_busy = true;
  ++busy_;
  const int fd = hired.socket.get();
  writers_.push_back(std::move(hired));
  return fd;
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
