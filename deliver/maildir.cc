// SPDX-License-Identifier: 0BSD
#include "deliver/maildir.h"

#include <fcntl.h>
#include <stdio.h>

#include "core/fault.h"
#include "core/fd.h"
#include "core/text.h"

namespace qv::deliver {

namespace {

constexpr int kNameTries = 16;
constexpr std::size_t kMaxExtension = 64;

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

// Moves without overwriting; where the system has no such rename, link() refuses to overwrite.
Result<void> move_to(Files& files, const std::string& from, const std::string& to) {
  Result<void> moved = checked("move to new", [&] { return files.rename_noreplace(from, to); });
  if (moved.ok()) return moved;
  const int errnum = moved.error().errnum;
  if (errnum != EINVAL && errnum != ENOSYS && errnum != ENOTSUP) return moved;
  QV_TRY_VOID(checked("link to new", [&] { return files.link(from, to); }));
  files.unlink(from);
  return {};
}

// A file in tmp/, removed again unless it was moved.
struct TmpFile {
  explicit TmpFile(Files& of) : files(of) {}
  TmpFile(const TmpFile&) = delete;
  TmpFile& operator=(const TmpFile&) = delete;
  ~TmpFile() {
    if (!path.empty()) files.unlink(path);
  }

  Files& files;
  std::string path;
  Fd file;
};

// tmp/ is made last: where it exists, the others do.
Result<void> make_maildir(Files& files, const MaildirTarget& target) {
  for (const char* name : {"cur", "new", "tmp"}) {
    QV_TRY_VOID(files.make_directories(target.path + name));
  }
  return {};
}

// Calls `open`, and again with the maildir made where something of it is missing.
template <class Open>
Result<Fd> open_in_maildir(Files& files, const MaildirTarget& target, Open open) {
  Result<Fd> opened = open();
  if (opened.ok() || opened.error().errnum != ENOENT) return opened;
  QV_TRY_VOID(make_maildir(files, target));
  return open();
}

Result<Fd> create_in_tmp(Files& files, const MaildirTarget& target, std::string& path) {
  Result<Fd> opened = Error{};
  for (int i = 0; i < kNameTries; ++i) {
    const std::string name = files.unique_name() + "." + host_part(target.host);
    path = target.path + "tmp/" + name;
    opened = files.open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, "create in tmp");
    if (opened.ok() || opened.error().errnum != EEXIST) break;
  }
  if (!opened.ok()) path.clear();
  return opened;
}

// The size of what was written.
Result<std::uint64_t> write_to_tmp(Files& files, const MaildirTarget& target,
                                   const Envelope& envelope, const MessageSource& message,
                                   TmpFile& tmp) {
  QV_TRY(tmp.file,
         open_in_maildir(files, target, [&] { return create_in_tmp(files, target, tmp.path); }));
  FileWriter out(files, tmp.file.get());
  QV_TRY_VOID(out.append(header_lines(envelope)));
  QV_TRY_VOID(copy_body(files, message, Quoting::none, out));
  QV_TRY_VOID(out.flush());
  return out.size();
}

Result<void> publish(Files& files, const MaildirTarget& target, TmpFile& tmp, std::uint64_t size) {
  QV_TRY_VOID(files.sync(tmp.file.get(), "fsync"));
  QV_TRY(const struct stat st, files.status(tmp.file.get(), "fstat"));
  const std::string directory = target.path + "new/";
  QV_TRY(const Fd opened, open_in_maildir(files, target, [&] {
           return files.open_file(directory, O_RDONLY | O_DIRECTORY, "open new");
         }));

  std::string to;
  Result<void> moved = Error{Fault::retry, EEXIST, "move to new"};
  for (int i = 0; i < kNameTries && !moved.ok() && moved.error().errnum == EEXIST; ++i) {
    to = directory + maildir_name(files.now(), st.st_dev, st.st_ino, target.host);
    if (target.quota.limits()) to += ",S=" + std::to_string(size);
    moved = move_to(files, tmp.path, to);
  }
  QV_TRY_VOID(moved);
  tmp.path.clear();
  // A message that may not survive a crash is not delivered: it is taken back and tried again.
  Result<void> synced = files.sync_directory(opened.get());
  if (!synced.ok()) files.unlink(to);
  return synced;
}

}  // namespace

Outcome deliver_maildir(Files& files, const MaildirTarget& target, const Envelope& envelope,
                        const MessageSource& message) {
  TmpFile tmp(files);
  QV_TRY(const std::uint64_t size, write_to_tmp(files, target, envelope, message, tmp));
  if (target.size_limit != 0 && size > target.size_limit) {
    return refuse("5.2.2", "message is larger than this mailbox takes");
  }
  MaildirQuota quota(files, target.root, target.quota);
  if (target.quota.limits()) {
    QV_TRY(const Room room, quota.admits(size));
    if (room == Room::full) return refuse("5.2.2", "mailbox is full");
  }
  QV_TRY_VOID(publish(files, target, tmp, size));
  if (target.quota.limits()) quota.add(size);
  return done(size);
}

std::string maildir_name(const timespec& when, dev_t dev, ino_t inode, std::string_view host) {
  char name[100];
  snprintf(name, sizeof name, "%jd.V%jxI%jxM%ld.", static_cast<std::intmax_t>(when.tv_sec),
           static_cast<std::uintmax_t>(dev), static_cast<std::uintmax_t>(inode),
           when.tv_nsec / 1000);
  return name + host_part(host);
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

}  // namespace qv::deliver
