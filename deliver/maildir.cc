// SPDX-License-Identifier: 0BSD
#include "deliver/maildir.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/text.h"
#include "deliver/directories.h"

namespace qv {

namespace {

constexpr int kNameTries = 16;
constexpr std::size_t kMaxExtension = 64;

std::string hex(std::uint64_t n) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), kDigits[n & 15]);
    n >>= 4;
  } while (n != 0);
  return out;
}

std::string host_part(std::string_view host) {
  std::string out;
  for (const char c : host) {
    if (c == '/') {
      out += "\\057";
    } else if (c == ':') {
      out += "\\072";
    } else {
      out += c;
    }
  }
  return out.empty() ? "localhost" : out;
}

// Moves without overwriting; where the system has no such rename, link() is what refuses.
Result<void> move_to(Files& files, const char* from, const char* to) {
  if (retry_eintr([&] { return files.rename_noreplace(from, to); }) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return errno_error("move to new");
  if (retry_eintr([&] { return files.link(from, to); }) != 0) return errno_error("link to new");
  static_cast<void>(files.unlink(from));
  return {};
}

}  // namespace

TmpFile::TmpFile(Files& files, std::string directory, std::string_view host)
    : files_(files), directory_(std::move(directory)), host_(host_part(host)) {}

void TmpFile::remove() {
  if (!path_.empty()) static_cast<void>(files_.unlink(path_.c_str()));
  path_.clear();
  file_.reset();
}

Result<void> TmpFile::create() {
  static unsigned long count = 0;
  for (int i = 0; i < kNameTries; ++i) {
    const timespec now = files_.now();
    const std::string path = directory_ + std::to_string(now.tv_sec) + ".M" +
                             std::to_string(now.tv_nsec / 1000) + "P" + std::to_string(getpid()) +
                             "Q" + std::to_string(++count) + "." + host_;
    file_.reset(retry_eintr(
        [&] { return files_.open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600); }));
    if (file_.valid()) {
      path_ = path;
      return {};
    }
    if (errno != EEXIST) return errno_error("create in tmp");
  }
  return Error{Fault::retry, EEXIST, "create in tmp"};
}

MaildirDelivery::MaildirDelivery(Files& files, MaildirTarget target)
    : files_(files), target_(std::move(target)), tmp_(files, target_.path + "tmp/", target_.host) {}

Result<void> MaildirDelivery::create() {
  const Result<void> first = tmp_.create();
  if (first.ok() || first.error().errnum != ENOENT) return first;
  QV_TRY_VOID(make_maildir());
  return tmp_.create();
}

// tmp comes last: whoever finds it finds the others.
Result<void> MaildirDelivery::make_maildir() {
  for (const char* name : {"cur", "new", "tmp"}) {
    QV_TRY_VOID(make_directories(files_, target_.path + name));
  }
  return {};
}

Result<Fd> MaildirDelivery::open_new() {
  const std::string directory = target_.path + "new/";
  Fd opened(retry_eintr([&] { return files_.open(directory.c_str(), O_RDONLY | O_DIRECTORY, 0); }));
  if (!opened.valid()) return errno_error("open new");
  return opened;
}

Result<void> MaildirDelivery::publish(std::uint64_t size) {
  if (retry_eintr([this] { return files_.fsync(tmp_.fd()); }) != 0) return errno_error("fsync");
  struct stat st {};
  if (files_.fstat(tmp_.fd(), st) != 0) return errno_error("fstat");
  Result<Fd> opened = open_new();
  if (!opened.ok() && opened.error().errnum == ENOENT) {
    QV_TRY_VOID(make_maildir());
    opened = open_new();
  }
  if (!opened.ok()) return opened.error();

  std::string to;
  Result<void> moved = Error{Fault::retry, EEXIST, "move to new"};
  for (int i = 0; i < kNameTries && !moved.ok() && moved.error().errnum == EEXIST; ++i) {
    to = target_.path + "new/" + maildir_name(files_.now(), st.st_dev, st.st_ino, target_.host);
    if (target_.quota.limits()) to += ",S=" + std::to_string(size);
    moved = move_to(files_, tmp_.path(), to.c_str());
  }
  if (!moved.ok()) return moved;
  tmp_.moved();
  // Not certain to stay is not delivered: taken back, and tried again later.
  Result<void> synced = fsync_directory(files_, opened.value().get());
  if (!synced.ok()) static_cast<void>(files_.unlink(to.c_str()));
  return synced;
}

// The file goes at once: a message that is refused half-way must not fill the disk meanwhile.
void MaildirDelivery::fail(Outcome why) {
  if (!failed_) failed_ = std::move(why);
  tmp_.remove();
}

void MaildirDelivery::note(const Result<void>& written) {
  if (!written.ok()) return fail(outcome_from(written.error()));
  if (target_.size_limit == 0 || out_->size() <= target_.size_limit) return;
  fail(refuse("5.2.2", "message is larger than this mailbox takes"));
}

void MaildirDelivery::begin(const Envelope& envelope) {
  const Result<void> created = create();
  if (!created.ok()) return fail(outcome_from(created.error()));
  out_.emplace(files_, tmp_.fd());
  note(out_->append(header_lines(envelope)));
}

void MaildirDelivery::add(std::string_view piece) {
  if (piece.empty() || failed_) return;
  last_ = piece.back();
  note(out_->append(piece));
}

void MaildirDelivery::add_all(const MessageSource& message) {
  if (!failed_) note(copy_body(files_, message, Quoting::none, *out_));
}

Outcome MaildirDelivery::finish() {
  if (last_ != '\n') add("\n");
  if (!failed_) note(out_->flush());
  return failed_ ? *failed_ : admit_and_publish();
}

Outcome MaildirDelivery::admit_and_publish() {
  const std::uint64_t size = out_->size();
  MaildirQuota quota(files_, target_.root, target_.quota);
  if (target_.quota.limits()) {
    const Result<Room> room = quota.admits(size);
    if (!room.ok()) return outcome_from(room.error());
    if (room.value() == Room::full) return refuse("5.2.2", "mailbox is full");
  }
  const Result<void> published = publish(size);
  if (!published.ok()) return outcome_from(published.error());
  if (target_.quota.limits()) quota.add(size);
  return done(size);
}

std::string maildir_name(const timespec& when, dev_t dev, ino_t inode, std::string_view host) {
  return std::to_string(when.tv_sec) + ".V" + hex(dev) + "I" + hex(inode) + "M" +
         std::to_string(when.tv_nsec / 1000) + "." + host_part(host);
}

std::string extension_folder(std::string_view extension) {
  if (extension.empty() || extension.size() > kMaxExtension) return {};
  if (extension.front() == '.' || extension.back() == '.') return {};
  if (extension.find("..") != std::string_view::npos) return {};
  for (const char c : extension) {
    if (!is_printable(c) || c == '/') return {};
  }
  return "." + std::string(extension);
}

Outcome deliver_maildir(Files& files, const MaildirTarget& target, const Envelope& envelope,
                        const MessageSource& message) {
  MaildirDelivery delivery(files, target);
  delivery.begin(envelope);
  delivery.add_all(message);
  return delivery.finish();
}

}  // namespace qv
