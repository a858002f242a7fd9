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

namespace qv::maps {

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
  if (!S_ISREG(st.st_mode)) return refuse(detail, path + " is there, and is not a regular file");
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

AtomicFile::~AtomicFile() {
  if (file_.valid()) unlink(temporary_.c_str());
}

Result<AtomicFile> AtomicFile::create(const std::string& path,
                                      const std::optional<FileOwner>& source, std::string& detail) {
  const std::string directory_name = directory_of(path);
  AtomicFile made;
  made.path_ = path;
  made.directory_.reset(::open(directory_name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st {};
  if (!made.directory_.valid() || fstat(made.directory_.get(), &st) != 0) {
    return fail(detail, "open", directory_name);
  }
  QV_TRY(const FileOwner owner, choose_owner(st, path, source, detail));
  QV_TRY_VOID(check_place(st, directory_name, owner, detail));

  // O_EXCL: a name that somebody else made beforehand, link or not, is not followed.
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  const std::string begin = path + ".tmp." + std::to_string(getpid()) + ".";
  for (int attempt = 0; attempt < 100 && !made.file_.valid(); ++attempt) {
    made.temporary_ = begin + std::to_string(attempt);
    made.file_.reset(::open(made.temporary_.c_str(), flags, 0600));
    if (!made.file_.valid() && errno != EEXIST) break;
  }
  if (!made.file_.valid()) return fail(detail, "create", made.temporary_);
  // Only root may give a file away: otherwise it stays the user's.
  const bool owned = fchown(made.fd(), owner.uid, owner.gid) == 0;
  if (!owned && geteuid() == 0) return fail(detail, "chown", made.temporary_);
  // Where the group could not be set, another group must not get its rights.
  const mode_t mode = owned ? owner.mode : owner.mode & 0700;
  if (fchmod(made.fd(), mode) != 0) return fail(detail, "chmod", made.temporary_);
  if (!owned && mode != owner.mode) {
    detail = path + ": could not keep owner and group, so only its owner may read it";
  }
  return made;
}

Result<void> AtomicFile::commit(std::string& detail) {
  if (fsync(file_.get()) != 0) return fail(detail, "fsync", temporary_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return fail(detail, "rename to", path_);
  file_.reset();
  if (fsync(directory_.get()) != 0) return fail(detail, "fsync directory of", path_);
  return {};
}

}  // namespace qv::maps
