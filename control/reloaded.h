// SPDX-License-Identifier: 0BSD
// control/reloaded.h - a value read from files, and read again when they change.
//
// The value read before serves until a whole new one has been read.  At most once per interval the
// files are looked at by stat, and read
//   - when one has changed, is another file, has appeared or gone;
//   - again in each interval while one is unsettled (file_stamp.h), so that a file replaced twice
//     within one tick of the file system's clock is noticed.  What stays as it is for kSettleNs on
//     our own clock has settled as well, whatever times a file server puts on it;
//   - again in each interval after a reading that failed: an error is not remembered as "nothing".
// A file that is unfinished (empty, or without an end of its last line) is not believed before it
// has settled: somebody may be in the midst of writing it.  Until then the old value serves; where
// there is none, as at the start, there is an Error (Fault::retry, EAGAIN), and what depends on the
// value is undecided for two seconds at most.  A finished file is believed at once.
//
// Threads: none.  Blocking: stat, and whatever the reader does.  Owns: the value.
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

namespace qv {

// none: nothing has been read, or nothing that is believed yet.  taken: there is a new value.
// failed: there is an error, and the old value where there was one.
enum class Reload : std::uint8_t { none, taken, failed };

// What came of looking at several of them.
enum class Change : std::uint8_t { none, changed };

// "open: No such file or directory".
[[nodiscard]] std::string describe(const Error& error);

// When to read the files again, and whether to believe them: Reloaded without its value.
class FileWatch {
 public:
  FileWatch(WallClock wall, std::int64_t interval_us) : wall_(wall), interval_us_(interval_us) {}

  // True: read now, and say what came of it by failed() or accepts().  The first time always;
  // otherwise at most once per interval.  `now_us` is of a clock that does not go back.
  [[nodiscard]] bool is_due(std::int64_t now_us);
  void force() {
    again_ = forced_ = true;
    told_.clear();
  }
  void failed(const Error& error);
  // The files that were read.  False: what they say is not to be believed yet.
  [[nodiscard]] bool accepts(std::vector<SourceStamp> files);

  [[nodiscard]] const std::vector<SourceStamp>& files() const { return files_; }
  [[nodiscard]] std::string take_trouble();

 private:
  WallClock wall_;
  std::int64_t interval_us_;
  std::vector<SourceStamp> files_;  // as they were read last
  std::int64_t now_us_ = 0;         // of the last look
  std::int64_t next_us_ = 0;
  std::int64_t since_us_ = 0;   // since when files_ are as they are
  std::int64_t looked_ns_ = 0;  // the wall clock's at the last look
  bool forced_ = true;
  bool again_ = true;
  std::string trouble_;
  std::string told_;
};

template <class T>
class Reloaded {
 public:
  static constexpr std::int64_t kIntervalUs = 1000000;

  explicit Reloaded(WallClock wall = wall_clock_ns, std::int64_t interval_us = kIntervalUs)
      : watch_(wall, interval_us) {}

  // Calls `read` if there is reason to: Result<T> read(std::vector<SourceStamp>& files), which adds
  // each file that it looks at to `files`, with a stamp from before its contents were read.
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
  // Gives up the value: there is none until the next reading that succeeds.
  void drop() { value_.reset(); }

  // What serves; null: nothing has been read yet, or it was dropped.  Valid until the next
  // refresh().
  [[nodiscard]] T* value() { return value_ ? &*value_ : nullptr; }
  [[nodiscard]] const T* value() const { return value_ ? &*value_ : nullptr; }
  // Of the last reading, where that failed; before the first: not read yet.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  // What the last reading failed with, for the log; empty where it did not, or where this has been
  // taken since the last reading that succeeded and the last force().
  [[nodiscard]] std::string take_trouble() { return watch_.take_trouble(); }
  // The files that it was read from last.
  [[nodiscard]] const std::vector<SourceStamp>& files() const { return watch_.files(); }

 private:
  FileWatch watch_;
  std::optional<T> value_;
  std::optional<Error> error_ = Error{Fault::retry, 0, "not read yet"};
};

}  // namespace qv

#endif  // QV_CONTROL_RELOADED_H_
