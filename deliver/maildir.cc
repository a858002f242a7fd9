// SPDX-License-Identifier: 0BSD
#include "deliver/maildir.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/fd.h"
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

// A file in tmp/, gone again unless it was moved.
class TmpFile {
 public:
  TmpFile(Files& files, std::string directory, std::string_view host)
      : files_(files), directory_(std::move(directory)), host_(host_part(host)) {}
  TmpFile(const TmpFile&) = delete;
  TmpFile& operator=(const TmpFile&) = delete;
  ~TmpFile() {
    if (!path_.empty()) static_cast<void>(files_.unlink(path_.c_str()));
  }

  // Error ENOENT: there is no such directory.
  [[nodiscard]] Result<void> create();
  void moved() { path_.clear(); }
  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] const char* path() const { return path_.c_str(); }

 private:
  Files& files_;
  std::string directory_;
  std::string host_;
  std::string path_;
  Fd file_;
};

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

// tmp comes last: whoever finds it finds the others.
Result<void> make_maildir(Files& files, const MaildirTarget& target) {
  for (const char* name : {"cur", "new", "tmp"}) {
    QV_TRY_VOID(make_directories(files, target.path + name));
  }
  return {};
}

Result<void> create(Files& files, const MaildirTarget& target, TmpFile& tmp) {
  const Result<void> first = tmp.create();
  if (first.ok() || first.error().errnum != ENOENT) return first;
  QV_TRY_VOID(make_maildir(files, target));
  return tmp.create();
}

// The size of what was written.
Result<std::uint64_t> write_message(Files& files, const TmpFile& tmp, const Envelope& envelope,
                                    const MessageSource& message) {
  FileWriter out(files, tmp.fd());
  QV_TRY_VOID(out.append(header_lines(envelope)));
  QV_TRY_VOID(copy_body(files, message, Quoting::none, out));
  QV_TRY_VOID(out.flush());
  return out.size();
}

Result<Fd> open_new(Files& files, const MaildirTarget& target) {
  const std::string directory = target.path + "new/";
  Fd opened(retry_eintr([&] { return files.open(directory.c_str(), O_RDONLY | O_DIRECTORY, 0); }));
  if (!opened.valid()) return errno_error("open new");
  return opened;
}

Result<void> publish(Files& files, const MaildirTarget& target, TmpFile& tmp, std::uint64_t size) {
  if (retry_eintr([&] { return files.fsync(tmp.fd()); }) != 0) return errno_error("fsync");
  struct stat st {};
  if (files.fstat(tmp.fd(), st) != 0) return errno_error("fstat");
  Result<Fd> opened = open_new(files, target);
  if (!opened.ok() && opened.error().errnum == ENOENT) {
    QV_TRY_VOID(make_maildir(files, target));
    opened = open_new(files, target);
  }
  if (!opened.ok()) return opened.error();

  std::string to;
  Result<void> moved = Error{Fault::retry, EEXIST, "move to new"};
  for (int i = 0; i < kNameTries && !moved.ok() && moved.error().errnum == EEXIST; ++i) {
    to = target.path + "new/" + maildir_name(files.now(), st.st_dev, st.st_ino, target.host);
    if (target.quota.limits()) to += ",S=" + std::to_string(size);
    moved = move_to(files, tmp.path(), to.c_str());
  }
  if (!moved.ok()) return moved;
  tmp.moved();
  // Not certain to stay is not delivered: taken back, and tried again later.
  Result<void> synced = fsync_directory(files, opened.value().get());
  if (!synced.ok()) static_cast<void>(files.unlink(to.c_str()));
  return synced;
}

}  // namespace

Outcome deliver_maildir(Files& files, const MaildirTarget& target, const Envelope& envelope,
                        const MessageSource& message) {
  TmpFile tmp(files, target.path + "tmp/", target.host);
  const Result<void> created = create(files, target, tmp);
  if (!created.ok()) return outcome_from(created.error());
  const Result<std::uint64_t> written = write_message(files, tmp, envelope, message);
  if (!written.ok()) return outcome_from(written.error());
  const std::uint64_t size = written.value();
  if (target.size_limit != 0 && size > target.size_limit) {
    return refuse("5.2.2", "message is larger than this mailbox takes");
  }
  MaildirQuota quota(files, target.root, target.quota);
  if (target.quota.limits()) {
    const Result<Room> room = quota.admits(size);
    if (!room.ok()) return outcome_from(room.error());
    if (room.value() == Room::full) return refuse("5.2.2", "mailbox is full");
  }
  const Result<void> published = publish(files, target, tmp, size);
  if (!published.ok()) return outcome_from(published.error());
  if (target.quota.limits()) quota.add(size);
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

}  // namespace qv
