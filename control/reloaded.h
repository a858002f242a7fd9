// SPDX-License-Identifier: 0BSD
// control/reloaded.h - a value read from files, and read again when they change.
//
// The old value is used until a complete new one has been read.  At most once per interval the
// files are checked by stat, and read
//   - when one has changed, was replaced, has appeared or disappeared;
//   - in each interval while one is unsettled (file_stamp.h), so that a file replaced twice within
//   one
//     tick of the file system's clock is noticed.  A file that stays unchanged for kSettleNs on our
//     own clock has settled as well, whatever times a file server gives it;
//   - in each interval after a reading that failed: an error never counts as absence.
// An unfinished file (empty, or without the end of its last line) may be half written: it is not
// accepted before it has settled.  Until then the old value is used; without one, as at the start,
// there is an Error (Fault::retry, EAGAIN), and what depends on the value is undecided for at most
// two seconds.  A finished file is accepted at once.
//
// Threads: none.  Blocking: stat, and what the reader does.  Owns: the value.
// Tests: tests/control/reloaded_test.cc
#ifndef QV_CONTROL_RELOADED_H_
#define QV_CONTROL_RELOADED_H_

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/file_stamp.h"
#include "core/result.h"

namespace qv::control {

// none: nothing was read, or it is not accepted yet.  taken: there is a new value.  failed: there
// is an error, and the old value if there was one.
enum class Reload : std::uint8_t { none, taken, failed };

// The result of checking several of them.
enum class Change : std::uint8_t { none, changed };

// "open: No such file or directory".
[[nodiscard]] std::string describe(const Error& error);

// When to read the files again, and whether to accept them: Reloaded without its value.
class FileWatch {
 public:
  FileWatch(WallClock wall, std::int64_t interval_us) : wall_(wall), interval_us_(interval_us) {}

  // True: read now, and report the result by failed() or accepts().  Always true the first time,
  // else at most once per interval.  `now_us`: on a monotonic clock.
  [[nodiscard]] bool is_due(std::int64_t now_us);
  void force() {
    again_ = forced_ = true;
    reported_.clear();
  }
  void failed(const Error& error);
  // The files that were read.  False: they are not accepted yet.
  [[nodiscard]] bool accepts(std::vector<SourceStamp> files);

  [[nodiscard]] const std::vector<SourceStamp>& files() const { return files_; }
  [[nodiscard]] std::string take_trouble();

 private:
  WallClock wall_;
  std::int64_t interval_us_;
  std::vector<SourceStamp> files_;  // of the last reading
  std::int64_t now_us_ = 0;         // time of the last check
  std::int64_t next_us_ = 0;
  std::int64_t since_us_ = 0;    // since when files_ have been unchanged
  std::int64_t checked_ns_ = 0;  // wall clock at the last check
  bool forced_ = true;
  bool again_ = true;
  std::string trouble_;
  std::string reported_;
};

template <class T>
class Reloaded {
 public:
  static constexpr std::int64_t kIntervalUs = 1000000;

  explicit Reloaded(WallClock wall = wall_clock_ns, std::int64_t interval_us = kIntervalUs)
      : watch_(wall, interval_us) {}

  // Calls `read` if necessary: Result<T> read(std::vector<SourceStamp>& files) adds each file that
  // it uses to `files`, with a stamp from before its contents were read.
  template <class Read>
  [[nodiscard]] Reload refresh(std::int64_t now_us, const Read& read) {
    if (!watch_.is_due(now_us)) return Reload::none;
    std::vector<SourceStamp> files;
    Result<T> value = read(files);
    if (!value.ok()) {
      error_ = value.error();
    } else if (watch_.accepts(std::move(files))) {
      value_ = std::move(value).value();
      error_.reset();
      return Reload::taken;
    } else if (value_) {
      return Reload::none;
    } else {
      error_ = Error{Fault::retry, EAGAIN, "just written, and empty or without a last line end"};
    }
    watch_.failed(*error_);
    return Reload::failed;
  }

  // The next refresh() reads the files, whatever the time.
  void force() { watch_.force(); }
  // Discards the value: there is none until the next successful reading.
  void drop() { value_.reset(); }

  // The current value; null: nothing has been read yet, or it was dropped.  Valid until the next
  // refresh().
  [[nodiscard]] T* value() { return value_ ? &*value_ : nullptr; }
  [[nodiscard]] const T* value() const { return value_ ? &*value_ : nullptr; }
  // The error of the last reading, if any; before the first one: not read yet.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  // The error of the last reading, for the log; empty if there is none, or if it was returned
  // before and neither a successful reading nor force() came in between.
  [[nodiscard]] std::string take_trouble() { return watch_.take_trouble(); }
  // The files of the last reading.
  [[nodiscard]] const std::vector<SourceStamp>& files() const { return watch_.files(); }

 private:
  FileWatch watch_;
  std::optional<T> value_;
  std::optional<Error> error_ = Error{Fault::retry, 0, "not read yet"};
};

}  // namespace qv::control

#endif  // QV_CONTROL_RELOADED_H_
