// SPDX-License-Identifier: 0BSD
#include "tests/fakes/faulty_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace qv {

namespace {

constexpr int kDied = 99;

std::string directory_of(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  return trimmed.substr(0, trimmed.rfind('/'));
}

std::string path_of(int fd) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = readlink(link.c_str(), path, sizeof path);
  return n < 0 ? std::string() : std::string(path, static_cast<std::size_t>(n));
}

std::string content_of(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return {};
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return text;
}

}  // namespace

FaultyFiles::~FaultyFiles() {
  for (const Renamed& one : renamed_) {
    if (!one.kept.empty()) ::unlink(one.kept.c_str());
  }
}

bool FaultyFiles::strikes(const char* name) {
  ++calls_;
  if (what_ == What::break_torn && struck_) {
    errno = errnum_;
    return true;
  }
  if (what_ == What::break_torn) return false;
  const bool chosen = calls_ == at_ || (stay_broken_ && calls_ > at_ && at_ > 0);
  if (!chosen || what_ == What::nothing) return false;
  struck_ = true;
  if (where_.empty()) where_ = std::string(name) + " (call " + std::to_string(calls_) + ")";
  if (what_ == What::die) _exit(kDied);
  if (what_ != What::fail) return false;
  errno = errnum_;
  return true;
}

void FaultyFiles::note_write(int fd) {
  if (!watch_power_) return;
  struct stat st {};
  if (::fstat(fd, &st) != 0) return;
  const auto id = std::make_pair(st.st_dev, st.st_ino);
  if (unsynced_.count(id) != 0) return;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  Fd file(::open(link.c_str(), O_RDWR | O_CLOEXEC));
  std::string synced = content_of(file.get());
  unsynced_[id] = Unsynced{std::move(file), std::move(synced)};
}

void FaultyFiles::note_made(const std::string& path) {
  if (watch_power_) renamed_.push_back({directory_of(path), path, ""});
}

// The file that loses its name keeps another one, out of sight, so that it can come back.
void FaultyFiles::note_removed(const std::string& path) {
  if (!watch_power_) return;
  const std::string kept =
      "/tmp/.qv-kept." + std::to_string(getpid()) + "." + std::to_string(renamed_.size());
  if (::link(path.c_str(), kept.c_str()) == 0) renamed_.push_back({directory_of(path), path, kept});
}

void FaultyFiles::lose_power(Loss loss) {
  for (auto& [id, file] : unsynced_) {
    if (loss == Loss::names) break;
    if (::ftruncate(file.file.get(), 0) != 0) abort();
    const ssize_t n = ::pwrite(file.file.get(), file.synced.data(), file.synced.size(), 0);
    if (n != static_cast<ssize_t>(file.synced.size())) abort();
  }
  for (auto it = renamed_.rbegin(); it != renamed_.rend() && loss != Loss::bytes; ++it) {
    if (it->kept.empty()) {
      ::remove(it->path.c_str());
    } else if (::rename(it->kept.c_str(), it->path.c_str()) != 0) {
      abort();
    }
  }
  for (const Renamed& one : renamed_) {
    if (loss == Loss::bytes && !one.kept.empty()) ::unlink(one.kept.c_str());
  }
  renamed_.clear();
  unsynced_.clear();
}

int FaultyFiles::open(const std::string& path, int flags) {
  if (strikes("open")) return -1;
  struct stat st {};
  const bool makes = (flags & O_CREAT) != 0 && ::lstat(path.c_str(), &st) != 0;
  const int fd = deliver::Files::open(path, flags);
  if (fd >= 0 && makes) note_made(path);
  return fd;
}

ssize_t FaultyFiles::pread(int fd, void* out, std::size_t size, off_t offset) {
  if (strikes("pread")) return -1;
  return deliver::Files::pread(fd, out, std::min(size, read_size_), offset);
}

ssize_t FaultyFiles::write(int fd, const void* bytes, std::size_t size) {
  if (strikes("write")) return -1;
  note_write(fd);
  const bool chosen = calls_ == at_ && size > 1;
  const bool half = chosen && (what_ == What::short_write || what_ == What::die_torn ||
                               what_ == What::break_torn);
  if (half) struck_ = true;
  const ssize_t n = deliver::Files::write(fd, bytes, half ? size / 2 : size);
  if (half && what_ == What::die_torn) _exit(kDied);
  return n;
}

ssize_t FaultyFiles::pwrite(int fd, const void* bytes, std::size_t size, off_t offset) {
  if (strikes("pwrite")) return -1;
  note_write(fd);
  return deliver::Files::pwrite(fd, bytes, size, offset);
}

int FaultyFiles::fsync(int fd) {
  if (strikes("fsync")) return -1;
  struct stat st {};
  if (::fstat(fd, &st) != 0) return -1;
  unsynced_.erase(std::make_pair(st.st_dev, st.st_ino));
  if (S_ISDIR(st.st_mode)) {
    const std::string directory = path_of(fd);
    std::vector<Renamed> left;
    for (Renamed& one : renamed_) {
      if (one.directory != directory) {
        left.push_back(std::move(one));
      } else if (!one.kept.empty()) {
        ::unlink(one.kept.c_str());
      }
    }
    renamed_ = std::move(left);
  }
  return 0;
}

int FaultyFiles::ftruncate(int fd, off_t size) {
  if (strikes("ftruncate")) return -1;
  note_write(fd);
  return deliver::Files::ftruncate(fd, size);
}

int FaultyFiles::fstat(int fd, struct stat& out) {
  if (strikes("fstat")) return -1;
  return deliver::Files::fstat(fd, out);
}

int FaultyFiles::lstat(const std::string& path, struct stat& out) {
  if (strikes("lstat")) return -1;
  return deliver::Files::lstat(path, out);
}

int FaultyFiles::link(const std::string& from, const std::string& to) {
  if (strikes("link")) return -1;
  const int done = deliver::Files::link(from, to);
  if (done == 0) note_made(to);
  return done;
}

int FaultyFiles::rename_noreplace(const std::string& from, const std::string& to) {
  if (strikes("rename_noreplace")) return -1;
  note_removed(from);
  const int done = deliver::Files::rename_noreplace(from, to);
  if (done == 0) note_made(to);
  return done;
}

int FaultyFiles::rename(const std::string& from, const std::string& to) {
  if (strikes("rename")) return -1;
  note_removed(from);
  note_removed(to);
  const int done = deliver::Files::rename(from, to);
  if (done == 0) note_made(to);
  return done;
}

int FaultyFiles::unlink(const std::string& path) {
  if (strikes("unlink")) return -1;
  note_removed(path);
  return deliver::Files::unlink(path);
}

int FaultyFiles::mkdir(const std::string& path) {
  if (strikes("mkdir")) return -1;
  const int done = deliver::Files::mkdir(path);
  if (done == 0) note_made(path);
  return done;
}

int FaultyFiles::lock_file(int fd, deliver::FileLock kind) {
  if (strikes("lock_file")) return -1;
  return deliver::Files::lock_file(fd, kind);
}

int FaultyFiles::list(const std::string& path, std::vector<std::string>& names) {
  if (strikes("list")) return -1;
  return deliver::Files::list(path, names);
}

timespec FaultyFiles::now() {
  now_.tv_nsec += 1000;
  return now_;
}

void FaultyFiles::pause(unsigned int milliseconds) {
  paused_ms_ += milliseconds;
  now_.tv_sec += static_cast<time_t>(milliseconds / 1000);
}

}  // namespace qv
