// SPDX-License-Identifier: 0BSD
#include "deliver/writing.h"

#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string_view>
#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "deliver/as_user.h"
#include "deliver/files.h"
#include "deliver/job.h"
#include "deliver/packets.h"

namespace qv {

namespace {

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
  [[nodiscard]] bool is_ours(const std::optional<Job>& job) const;

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
    case kMore:
      return began_ && take_piece(packet);
    case kLast:
      return began_ && take_piece(packet) && end();
    default:
      return false;
  }
}

// The sender may have been taken over by a client: what it may ask for is what the tables can say.
bool Writing::is_ours(const std::optional<Job>& job) const {
  if (!job || job->mailbox.uid != uid_ || job->mailbox.gid != gid_) return false;
  const std::string& path = job->mailbox.path;
  if (!starts_with(path, settings_.mailbox_base + "/")) return false;
  if ((path + "/").find("/../") != std::string::npos) return false;
  return job->mailbox.folder.find('/') == std::string::npos && job->mailbox.folder != "..";
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
  std::string_view encoded;
  std::string_view body;
  if (!split_two(packet, encoded, body)) return false;
  const std::optional<Job> job = decode_job(encoded);
  if (!is_ours(job) || !job->mailbox.is_maildir()) return false;
  began_ = true;
  if (become_.ok()) incoming_.emplace(files_, settings_, host_, *job);
  return take_piece(body);
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
  for (Fd message; receive_packet(kOnlySocket, packet, message);) {
    if (!writing.take(packet, std::move(message))) return;
    const std::optional<Outcome> outcome = writing.take_outcome();
    if (!outcome) continue;
    if (!send_packet(kOnlySocket, encode_outcome(*outcome), -1)) return;
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

}  // namespace

Result<Fd> fork_writer(const DeliverSettings& settings, const std::string& host, uid_t uid,
                       gid_t gid) {
  QV_TRY(auto pair, packet_pair());
  const pid_t child = fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) {
    keep_only(pair.second.get());
    be_a_writer(settings, host, uid, gid);
  }
  return std::move(pair.first);
}

}  // namespace qv
