// SPDX-License-Identifier: 0BSD
// tests/fakes/faulty_files.h - the real system calls, until the n-th one.
//
// `break_torn` is a disk that breaks, for good, in the middle of a write.
//
// Counts the calls.  The one chosen fails with an errno, writes only half, or is where the process
// dies (before the call, or, for a write, after half of it).  Time stands still and pause() moves
// it.
//
// lose_power() makes of the files what a power loss may leave at worst: bytes written since a
// file's last fsync are gone, names made or removed since their directory's last fsync are as
// before.
#ifndef QV_TESTS_FAKES_FAULTY_FILES_H_
#define QV_TESTS_FAKES_FAULTY_FILES_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/fd.h"
#include "deliver/files.h"

namespace qv {

class FaultyFiles final : public deliver::Files {
 public:
  enum class What { nothing, fail, short_write, die, die_torn, break_torn };

  FaultyFiles() = default;
  ~FaultyFiles() override;
  FaultyFiles(What what, int at, int errnum = EIO) : what_(what), at_(at), errnum_(errnum) {}

  [[nodiscard]] int calls() const { return calls_; }
  [[nodiscard]] bool struck() const { return struck_; }
  [[nodiscard]] unsigned int paused_ms() const { return paused_ms_; }
  void set_time(time_t seconds) { now_.tv_sec = seconds; }
  // From the chosen call on all calls fail.
  void stay_broken() { stay_broken_ = true; }
  // However much is asked for, a call reads no more than this.
  void read_at_most(std::size_t size) { read_size_ = size; }
  // Begins to note what lose_power() has to know.
  void watch_power() { watch_power_ = true; }
  enum class Loss { all, names, bytes };  // what does not reach the disk
  void lose_power(Loss loss = Loss::all);

  int open(const std::string& path, int flags) override;
  ssize_t pread(int fd, void* out, std::size_t size, off_t offset) override;
  ssize_t write(int fd, const void* bytes, std::size_t size) override;
  ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t offset) override;
  int fsync(int fd) override;
  int ftruncate(int fd, off_t size) override;
  int fstat(int fd, struct stat& out) override;
  int lstat(const std::string& path, struct stat& out) override;
  int link(const std::string& from, const std::string& to) override;
  int rename_noreplace(const std::string& from, const std::string& to) override;
  int rename(const std::string& from, const std::string& to) override;
  int unlink(const std::string& path) override;
  int mkdir(const std::string& path) override;
  int lock_file(int fd, deliver::FileLock kind) override;
  int list(const std::string& path, std::vector<std::string>& names) override;
  timespec now() override;
  void pause(unsigned int milliseconds) override;

  // Names the operation of the chosen call, for the message of a failed test.
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  // True where this call is to fail.
  bool strikes(const char* name);

  // What is on disk for certain of a file that was written since.
  struct Unsynced {
    Fd file;
    std::string synced;
  };
  // A name made (`kept` empty: a power loss removes it) or removed (it brings `kept` back).
  struct Renamed {
    std::string directory;
    std::string path;
    std::string kept;
  };
  void note_write(int fd);
  void note_made(const std::string& path);
  void note_removed(const std::string& path);

  What what_ = What::nothing;
  int at_ = 0;
  int errnum_ = EIO;
  bool stay_broken_ = false;
  bool watch_power_ = false;
  std::size_t read_size_ = SIZE_MAX;
  int calls_ = 0;
  unsigned int paused_ms_ = 0;
  bool struck_ = false;
  std::string where_;
  timespec now_{1700000000, 123456000};

  std::map<std::pair<dev_t, ino_t>, Unsynced> unsynced_;
  std::vector<Renamed> renamed_;
};

}  // namespace qv

#endif  // QV_TESTS_FAKES_FAULTY_FILES_H_
