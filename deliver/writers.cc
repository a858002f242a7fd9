// SPDX-License-Identifier: 0BSD
#include "deliver/writers.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "deliver/as_user.h"
#include "deliver/files.h"

namespace qv {

namespace {

constexpr std::size_t kMaxJob = 32768;  // three addresses and two paths
constexpr std::size_t kMaxPacket = 16 + kMaxJob + kMaxPiece;
constexpr int kWriterSocket = 3;

// What a packet to a writer begins with.  Whole and begin go on with the length of the job, a
// colon, the job, and what there is of the body.
constexpr char kFromFile = 'f';  // a job; the message is a descriptor
constexpr char kRoom = 'r';      // a job; only whether there is room
constexpr char kWhole = 'w';     // a job, and all of its message
constexpr char kBegin = 'b';     // a job, and the beginning of its message
constexpr char kPiece = 'p';     // more of the message
constexpr char kLast = 'l';      // the rest of the message

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

// The packets of one sender, in a process that is one recipient.
class Writing {
 public:
  Writing(const DeliverSettings& settings, const std::string& host, uid_t uid, gid_t gid,
          Result<void> become)
      : settings_(settings), host_(host), uid_(uid), gid_(gid), become_(become) {}

  // False where the packet is none that can come now.
  bool take(std::string_view packet, Fd message);
  // What became of the last job, once.
  std::optional<Outcome> take_outcome() { return std::exchange(outcome_, std::nullopt); }
  [[nodiscard]] bool is_the_user() const { return become_.ok(); }

 private:
  bool take_file(std::string_view packet, Fd message);
  bool take_question(std::string_view packet);
  bool take_begin(std::string_view packet);
  bool take_piece(std::string_view piece);
  bool end();
  [[nodiscard]] bool is_ours(const std::optional<Job>& job) const {
    return job && job->mailbox.uid == uid_ && job->mailbox.gid == gid_;
  }

  SystemFiles files_;
  const DeliverSettings& settings_;
  const std::string& host_;
  uid_t uid_;
  gid_t gid_;
  Result<void> become_;
  std::optional<Incoming> incoming_;
  bool began_ = false;
  std::optional<Outcome> outcome_;
};

bool Writing::take(std::string_view packet, Fd message) {
  const char kind = packet.front();
  packet = after_bytes(packet, 1);
  switch (kind) {
    case kFromFile:
      return !began_ && take_file(packet, std::move(message));
    case kRoom:
      return !began_ && take_question(packet);
    case kWhole:
      return !began_ && take_begin(packet) && end();
    case kBegin:
      return !began_ && take_begin(packet);
    case kPiece:
      return began_ && take_piece(packet);
    case kLast:
      return began_ && take_piece(packet) && end();
    default:
      return false;
  }
}

bool Writing::take_file(std::string_view packet, Fd message) {
  const std::optional<Job> job = decode_job(packet);
  if (!is_ours(job)) return false;
  outcome_ = become_.ok() ? perform(files_, settings_, host_, *job, message.get())
                          : outcome_from(become_.error());
  return true;
}

bool Writing::take_question(std::string_view packet) {
  const std::optional<Job> job = decode_job(packet);
  if (!is_ours(job)) return false;
  outcome_ = become_.ok() ? find_room(files_, settings_, *job) : outcome_from(become_.error());
  return true;
}

bool Writing::take_begin(std::string_view packet) {
  std::uint64_t size = 0;
  if (!parse_decimal(take_until(packet, ':'), packet.size(), size)) return false;
  const std::optional<Job> job = decode_job(first_bytes(packet, size));
  if (!is_ours(job) || !job->mailbox.is_maildir()) return false;
  began_ = true;
  if (become_.ok()) incoming_.emplace(files_, settings_, host_, *job);
  return take_piece(after_bytes(packet, size));
}

bool Writing::take_piece(std::string_view piece) {
  if (incoming_) incoming_->add(piece);
  return true;
}

bool Writing::end() {
  outcome_ = incoming_ ? incoming_->finish() : outcome_from(become_.error());
  incoming_.reset();
  began_ = false;
  return true;
}

// Until there is no sender any more.  What has begun then goes with `writing`: nothing stays of it.
void write_mailboxes(Writing& writing) {
  std::string packet;
  for (Fd message; receive_packet(kWriterSocket, packet, message);) {
    if (!writing.take(packet, std::move(message))) return;
    const std::optional<Outcome> outcome = writing.take_outcome();
    if (!outcome) continue;
    if (!send_packet(kWriterSocket, encode_outcome(*outcome), -1)) return;
    if (!writing.is_the_user()) return;
  }
}

[[noreturn]] void be_a_writer(const DeliverSettings& settings, const std::string& host, uid_t uid,
                              gid_t gid) {
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  // A stop is for whoever sends the jobs: a delivery that has begun is ended.
  signal(SIGTERM, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  const Result<void> become = become_user(uid, gid);
  if (chdir("/") != 0) _exit(111);
  {
    Writing writing(settings, host, uid, gid, become);
    write_mailboxes(writing);
  }
  _exit(0);
}

std::string job_and_body(char kind, const Job& job, std::string_view body) {
  const std::string encoded = encode_job(job);
  std::string packet(1, kind);
  packet += std::to_string(encoded.size()) + ":";
  packet += encoded;
  packet += body;
  return packet;
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
    be_a_writer(settings_, host_, uid, gid);
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
  return start_with(job, kFromFile + encode_job(job), message);
}

Result<int> Writers::ask_room(const Job& job) {
  return start_with(job, kRoom + encode_job(job), -1);
}

Result<int> Writers::start(const Job& job, std::string_view body) {
  return start_with(job, job_and_body(kWhole, job, body), -1);
}

Result<int> Writers::begin(const Job& job, std::string_view body) {
  return start_with(job, job_and_body(kBegin, job, body), -1);
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
  QV_TRY(Writer hired, hire(job.mailbox.uid, job.mailbox.gid));
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
  return send_packet_to(fd, kPiece, piece);
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
