// SPDX-License-Identifier: 0BSD
// process/log.h - log lines for multilog and fail2ban, written without ever waiting for a reader.
//
// A line is a word and then key=value fields: `verify result=not-valid why=unknown-user rcpt=a@b`.
// That is logfmt: a value is bare, or stands between quotes and is escaped as in JSON
// (core/json.h); the line is printable ASCII.  ARCHITECTURE, VOCABULARY, lists the keys.  LogWriter
// gathers lines and writes them at the end of the loop's turn: whole lines only, and into a pipe at
// most PIPE_BUF bytes at a time when poll(2) reports room.  Other processes share the descriptor,
// so it is never made non-blocking.  Lines that do not fit the buffer are dropped and counted, and
// a later line says `log dropped=N`.
//
// Threads: none.  Blocking: only writes to regular files.
// Allocation: none per line.  Tests: tests/process/log_test.cc
#ifndef QV_PROCESS_LOG_H_
#define QV_PROCESS_LOG_H_

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "control/lines.h"
#include "event/loop.h"

namespace qv::process {

class LogLine {
 public:
  // Longest line, newline included: PIPE_BUF, which a pipe takes in one piece.
  static constexpr std::size_t kMaxLine = 4096;

  // `word` is a literal, written without escaping.
  explicit LogLine(std::string_view word);

  // ` key=value`, the value escaped.  A field that does not fit is left out, and the line ends with
  // ` cut=1`.  `key` is a literal, written without escaping.
  LogLine& add(std::string_view key, std::string_view value);
  template <std::integral T>
  LogLine& add(std::string_view key, T number) {
    char digits[24];
    const std::to_chars_result end = std::to_chars(digits, digits + sizeof digits, number);
    return add(key, std::string_view(digits, static_cast<std::size_t>(end.ptr - digits)));
  }

  // ` file= line= problem=`.
  LogLine& add(const control::Problem& problem);

  // The line with its newline; valid as long as this object.
  [[nodiscard]] std::string_view text();

 private:
  std::size_t used_ = 0;
  bool cut_ = false;
  std::array<char, kMaxLine> bytes_;
};

class LogWriter {
 public:
  static constexpr std::size_t kBufferSize = 262144;

  // Writes to `fd`, which is not closed.  REQUIRES: `loop` and `fd` outlive this object.
  LogWriter(event::Loop& loop, int fd);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Buffers a line for the next flush(), at the latest when the loop turns.
  void write(LogLine& line);
  // Writes what can be written without waiting.  Called at the end of a callback that wrote lines
  // it saves the loop a turn.
  void flush();
  // flush() for the end of the program: waits up to `limit_us` for the reader.
  void drain(std::int64_t limit_us);

  // Lines dropped since the start.
  [[nodiscard]] std::uint64_t dropped() const;
  // Bytes buffered.
  [[nodiscard]] std::size_t pending() const;

 private:
  enum class Kind : std::uint8_t { file, pipe, socket, other };
  enum class Step : std::uint8_t { wrote, must_wait, failed };

  [[nodiscard]] static Kind kind_of(int fd);
  [[nodiscard]] bool append(std::string_view text);
  void say_dropped();
  void forget();
  [[nodiscard]] std::size_t next_chunk() const;
  [[nodiscard]] Step write_chunk();
  void wait_for_room();

  event::Loop& loop_;
  int fd_;
  Kind kind_;
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t said_dropped_ = 0;
  event::Loop::Owned turn_;  // flushes when the loop turns
  event::Loop::Owned room_;  // flushes when the reader has read
};

}  // namespace qv::process

#endif  // QV_PROCESS_LOG_H_
