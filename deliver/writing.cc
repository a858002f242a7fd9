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

// What a writer is, and may do.
struct Writing {
  const DeliverSettings& settings;
  const std::string& host;
  uid_t uid;
  gid_t gid;
  Result<void> become;
};

// The sender may have been taken over by a client: what it may ask for is what the tables can say.
bool is_ours(const Writing& writing, const Job& job) {
  if (job.mailbox.uid != writing.uid || job.mailbox.gid != writing.gid) return false;
  const std::string& path = job.mailbox.path;
  if (!starts_with(path, writing.settings.mailbox_base + "/")) return false;
  if ((path + "/").find("/../") != std::string::npos) return false;
  return job.mailbox.folder.find('/') == std::string::npos && job.mailbox.folder != "..";
}

// How the job of a packet ended; nullopt where the packet is none.
std::optional<Outcome> work(const Writing& writing, std::string_view packet, Fd message) {
  const char kind = packet.front();
  const std::optional<Job> job = decode_job(after_bytes(packet, 1));
  if (!job || !is_ours(writing, *job) || (kind != kDeliver && kind != kRoom)) return std::nullopt;
  if (!writing.become.ok()) return outcome_from(writing.become.error());
  SystemFiles files;
  if (kind == kRoom) return find_room(files, writing.settings, *job);
  return perform(files, writing.settings, writing.host, *job, message.get());
}

// Until there is no sender any more.
void write_mailboxes(const Writing& writing) {
  std::string packet;
  for (Fd message; receive_packet(kOnlySocket, packet, message);) {
    const std::optional<Outcome> outcome = work(writing, packet, std::move(message));
    if (!outcome || !send_packet(kOnlySocket, encode_outcome(*outcome), -1)) return;
    if (!writing.become.ok()) return;
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
  const Writing writing{settings, host, uid, gid, become_user(uid, gid)};
  if (chdir("/") != 0) _exit(111);
  write_mailboxes(writing);
  _exit(0);
}

}  // namespace

Result<Writer> fork_writer(const DeliverSettings& settings, const std::string& host, uid_t uid,
                           gid_t gid) {
  QV_TRY(auto pair, packet_pair());
  const pid_t child = fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) {
    keep_only(pair.second.get());
    be_a_writer(settings, host, uid, gid);
  }
  return Writer{std::move(pair.first), child};
}

}  // namespace qv
