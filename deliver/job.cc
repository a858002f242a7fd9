// SPDX-License-Identifier: 0BSD
#include "deliver/job.h"

#include <unistd.h>

#include <algorithm>

#include "core/text.h"
#include "deliver/maildir.h"
#include "deliver/mbox.h"

namespace qv {

namespace {

// Fields as "length:bytes".
void put(std::string& out, std::string_view field) {
  out += std::to_string(field.size()) + ":";
  out += field;
}
void put(std::string& out, std::uint64_t number) { put(out, std::to_string(number)); }

class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  std::string text() {
    std::uint64_t size = 0;
    if (!parse_decimal(take_until(rest_, ':'), rest_.size(), size)) {
      good_ = false;
      return {};
    }
    std::string field(first_bytes(rest_, size));
    rest_ = after_bytes(rest_, size);
    return field;
  }
  std::uint64_t number(std::uint64_t max) {
    std::uint64_t value = 0;
    if (!parse_decimal(text(), max, value)) good_ = false;
    return value;
  }
  // True where every field was there and nothing is left.
  [[nodiscard]] bool all_good() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

MaildirTarget maildir_of(Files& files, const DeliverSettings& settings, std::string_view host,
                         const Job& job) {
  MaildirTarget target;
  target.path = target.root = job.mailbox.path;
  target.quota = job.mailbox.quota;
  target.size_limit = settings.mailbox_limit;
  target.host = std::string(host);
  if (!job.mailbox.folder.empty()) {
    const std::string folder = target.root + job.mailbox.folder;
    struct stat st {};
    if (files.lstat(folder, st) == 0 && S_ISDIR(st.st_mode)) target.path = folder + "/";
  }
  return target;
}

std::uint64_t mbox_limit(const DeliverSettings& settings, const Mailbox& mailbox) {
  return mailbox.quota.bytes != 0 ? mailbox.quota.bytes : settings.mailbox_limit;
}

Outcome to_mbox(Files& files, const DeliverSettings& settings, const Job& job,
                const MessageSource& source) {
  MboxTarget target;
  target.path = job.mailbox.path;
  target.locks = settings.locks;
  target.size_limit = mbox_limit(settings, job.mailbox);
  target.owner = job.mailbox.uid;
  target.strict_ownership = settings.strict_ownership;
  return deliver_mbox(files, target, job.envelope, source);
}

}  // namespace

bool needs_room(const DeliverSettings& settings, const Mailbox& mailbox) {
  return mailbox.is_maildir() ? mailbox.quota.limits() : mbox_limit(settings, mailbox) != 0;
}

Outcome find_room(Files& files, const DeliverSettings& settings, const Job& job) {
  const Outcome full = refuse("5.2.2", "mailbox is full");
  const std::uint64_t size = std::max<std::uint64_t>(job.size, 1);
  if (job.mailbox.is_maildir()) {
    const Result<Room> room = MaildirQuota(files, job.mailbox.path, job.mailbox.quota).admits(size);
    return room.ok() && room.value() == Room::full ? full : done(0);
  }
  struct stat st {};
  if (files.lstat(job.mailbox.path, st) != 0 || !S_ISREG(st.st_mode)) return done(0);
  const std::uint64_t limit = mbox_limit(settings, job.mailbox);
  const auto used = static_cast<std::uint64_t>(st.st_size);
  return used >= limit || size > limit - used ? full : done(0);
}

Outcome perform(Files& files, const DeliverSettings& settings, std::string_view host,
                const Job& job, int message) {
  if (!is_clean(job.envelope)) return refuse("5.6.0", "address holds a line end or a NUL");
  const MessageSource source{message, job.start};
  QV_TRY(const Looping loop, find_loop(files, source, job.envelope.recipient));
  if (loop == Looping::found) return refuse("5.4.6", "mail is looping");
  if (job.mailbox.is_maildir()) {
    return deliver_maildir(files, maildir_of(files, settings, host, job), job.envelope, source);
  }
  return to_mbox(files, settings, job, source);
}

std::string encode_job(const Job& job) {
  std::string out;
  put(out, job.envelope.sender);
  put(out, job.envelope.original);
  put(out, job.envelope.recipient);
  put(out, job.mailbox.path);
  put(out, job.mailbox.folder);
  put(out, job.mailbox.uid);
  put(out, job.mailbox.gid);
  put(out, job.mailbox.quota.bytes);
  put(out, job.mailbox.quota.messages);
  put(out, static_cast<std::uint64_t>(job.start));
  put(out, job.size);
  return out;
}

std::optional<Job> decode_job(std::string_view bytes) {
  Fields fields(bytes);
  Job job;
  job.envelope.sender = fields.text();
  job.envelope.original = fields.text();
  job.envelope.recipient = fields.text();
  job.mailbox.path = fields.text();
  job.mailbox.folder = fields.text();
  job.mailbox.uid = static_cast<uid_t>(fields.number(UINT32_MAX));
  job.mailbox.gid = static_cast<gid_t>(fields.number(UINT32_MAX));
  job.mailbox.quota.bytes = fields.number(UINT64_MAX);
  job.mailbox.quota.messages = fields.number(UINT64_MAX);
  job.start = static_cast<off_t>(fields.number(INT64_MAX));
  job.size = fields.number(UINT64_MAX);
  if (!fields.all_good()) return std::nullopt;
  return job;
}

std::string encode_outcome(const Outcome& outcome) {
  std::string out;
  put(out, static_cast<std::uint64_t>(outcome.delivery));
  put(out, outcome.code);
  put(out, outcome.text);
  put(out, outcome.bytes);
  return out;
}

std::optional<Outcome> decode_outcome(std::string_view bytes) {
  Fields fields(bytes);
  Outcome outcome;
  outcome.delivery = static_cast<Delivery>(fields.number(2));
  outcome.code = fields.text();
  outcome.text = fields.text();
  outcome.bytes = fields.number(UINT64_MAX);
  if (!fields.all_good()) return std::nullopt;
  return outcome;
}

}  // namespace qv
