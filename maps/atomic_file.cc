// SPDX-License-Identifier: 0BSD
#include "maps/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "maps/source.h"

namespace qv {

namespace {

Error refuse(std::string& detail, std::string reason) {
  detail = std::move(reason);
  return {Fault::config, 0, "unsafe place for a table"};
}

Error fail(std::string& detail, const char* what, const std::string& path) {
  const Error error = errno_error(what);
  detail = describe_error(error, path);
  return error;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = find_last_byte(path, '/');
  if (slash == path.size()) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Owner and mode of what is at the path now; nullopt where nothing is.
Result<std::optional<FileOwner>> owner_of_present(const std::string& path, std::string& detail) {
  struct stat st {};
  if (lstat(path.c_str(), &st) != 0) {
    if (errno_means_absent(errno)) return std::optional<FileOwner>{};
    return fail(detail, "look at", path);
  }
  if (!S_ISREG(st.st_mode)) return refuse(detail, path + " is there and not a regular file");
  return std::optional<FileOwner>{{st.st_uid, st.st_gid, st.st_mode & 0777}};
}

Result<FileOwner> choose_owner(const struct stat& directory, const std::string& path,
                               const std::optional<FileOwner>& source, std::string& detail) {
  QV_TRY(const std::optional<FileOwner> present, owner_of_present(path, detail));
  if (present) return *present;
  if (source) return *source;
  const mode_t mask = umask(0);
  umask(mask);
  const FileOwner own{geteuid(), getegid(), static_cast<mode_t>(0644) & ~mask};
  if (geteuid() != 0) return own;
  return FileOwner{directory.st_uid, directory.st_gid, own.mode};
}

Result<void> check_place(const struct stat& directory, const std::string& name,
                         const FileOwner& owner, std::string& detail) {
  const bool everybody = (directory.st_mode & S_IWOTH) != 0;
  if (everybody && (directory.st_mode & S_ISVTX) == 0) {
    return refuse(detail, "everybody may write to the directory " + name);
  }
  if (geteuid() != 0 || directory.st_uid == 0) return {};
  if (owner.uid == 0) {
    return refuse(detail, "the directory " + name + " belongs to uid " +
                              std::to_string(directory.st_uid) +
                              ", who could put another file in the place of root's table: work as "
                              "that user, or give the source to it");
  }
  return {};
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string temporary, Fd file, Fd directory)
    : path_(std::move(path)),
      temporary_(std::move(temporary)),
      file_(std::move(file)),
      directory_(std::move(directory)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)),
      directory_(std::move(other.directory_)) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<AtomicFile> AtomicFile::create(const std::string& path,
                                      const std::optional<FileOwner>& source, std::string& detail) {
  const std::string directory_name = directory_of(path);
  Fd directory(::open(directory_name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st {};
  if (!directory.valid() || fstat(directory.get(), &st) != 0) {
    return fail(detail, "open", directory_name);
  }
  QV_TRY(const FileOwner owner, choose_owner(st, path, source, detail));
  QV_TRY_VOID(check_place(st, directory_name, owner, detail));

  // O_EXCL: a name that somebody else made beforehand, link or not, is not followed.
  std::string temporary;
  Fd file;
  for (int attempt = 0; attempt < 100 && !file.valid(); ++attempt) {
    temporary = path + ".tmp." + std::to_string(getpid()) + "." + std::to_string(attempt);
    file.reset(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid() && errno != EEXIST) break;
  }
  if (!file.valid()) return fail(detail, "create", temporary);
  AtomicFile made(path, temporary, std::move(file), std::move(directory));
  // Without root only root's gid and uid of one's own can be given: then the file stays one's own.
  const bool owned = fchown(made.fd(), owner.uid, owner.gid) == 0;
  if (!owned && geteuid() == 0) return fail(detail, "chown", temporary);
  // A file that could not be given its group must not open up to another one.
  const mode_t mode = owned ? owner.mode : owner.mode & 0700;
  if (fchmod(made.fd(), mode) != 0) return fail(detail, "chmod", temporary);
  if (!owned && mode != owner.mode) {
    detail = path + ": could not keep owner and group, so only its owner may read it";
  }
  return made;
}

Result<void> AtomicFile::commit(std::string& detail) {
  if (fsync(file_.get()) != 0) return fail(detail, "fsync", temporary_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return fail(detail, "rename to", path_);
  temporary_.clear();
  if (fsync(directory_.get()) != 0) return fail(detail, "fsync directory of", path_);
  return {};
}

}  // namespace qv
