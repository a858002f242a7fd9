// SPDX-License-Identifier: 0BSD
#include "process/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/clock.h"
#include "core/json.h"
#include "core/text.h"

namespace qv::process {

namespace {

constexpr std::string_view kCut = " cut=1";
// Bytes for fields; the rest is reserved for " cut=1" and the newline.
constexpr std::size_t kFieldsEnd = LogLine::kMaxLine - kCut.size() - 1;
// Between two attempts on a descriptor that cannot be watched (a stopped terminal).
constexpr std::int64_t kRetryUs = 20000;

// A writable pipe takes PIPE_BUF bytes at once (pipe(7)); one without a reader is writable as well,
// and the write fails.
bool has_room(int fd) {
  pollfd ready{fd, POLLOUT, 0};
  return poll(&ready, 1, 0) > 0;
}

}  // namespace

LogLine::LogLine(std::string_view word) {
  used_ = std::min(word.size(), kFieldsEnd);
  memcpy(bytes_.data(), word.data(), used_);
}

LogLine& LogLine::add(std::string_view key, std::string_view value) {
  const std::size_t head = key.size() + 2;
  if (head > kFieldsEnd - used_) {
    cut_ = true;
    return *this;
  }
  char* at = bytes_.data() + used_;
  *at = ' ';
  memcpy(at + 1, key.data(), key.size());
  at[key.size() + 1] = '=';
  const std::size_t room = kFieldsEnd - used_ - head;
  // A value that does not fit as a whole is left out: half an address is another address.
  bool whole = true;
  const std::size_t written = escape_logfmt(value, at + head, room, whole);
  if (!whole) {
    cut_ = true;
    return *this;
  }
  used_ += head + written;
  return *this;
}

LogLine& LogLine::add(const control::Problem& problem) {
  add("file", problem.where);
  if (problem.line > 0) add("line", problem.line);
  return add("problem", problem.text);
}

std::string_view LogLine::text() {
  std::size_t size = used_;
  if (cut_) {
    memcpy(bytes_.data() + size, kCut.data(), kCut.size());
    size += kCut.size();
  }
  bytes_[size++] = '\n';
  return {bytes_.data(), size};
}

LogWriter::Kind LogWriter::kind_of(int fd) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return Kind::other;
  if (S_ISREG(st.st_mode)) return Kind::file;
  if (S_ISFIFO(st.st_mode)) return Kind::pipe;
  return S_ISSOCK(st.st_mode) ? Kind::socket : Kind::other;
}

LogWriter::LogWriter(event::Loop& loop, int fd)
    : loop_(loop), fd_(fd), kind_(kind_of(fd)), buffer_(new char[kBufferSize]) {}

LogWriter::~LogWriter() = default;

std::uint64_t LogWriter::dropped() const { return dropped_; }
std::size_t LogWriter::pending() const { return end_ - begin_; }

void LogWriter::write(LogLine& line) {
  say_dropped();
  const std::string_view text = line.text();
  if (dropped_ != said_dropped_ || !append(text)) {
    ++dropped_;
    return;
  }
  if (turn_ == nullptr && room_ == nullptr) {
    turn_ = loop_.after(0, [this] { flush(); });
  }
}

// Logged before the first line that fits again, at the place of the gap.
void LogWriter::say_dropped() {
  if (dropped_ == said_dropped_) return;
  LogLine line("log");
  line.add("dropped", dropped_ - said_dropped_);
  if (append(line.text())) said_dropped_ = dropped_;
}

bool LogWriter::append(std::string_view text) {
  if (text.size() > kBufferSize - pending()) return false;
  if (text.size() > kBufferSize - end_) {
    memmove(buffer_.get(), buffer_.get() + begin_, pending());
    end_ -= begin_;
    begin_ = 0;
  }
  memcpy(buffer_.get() + end_, text.data(), text.size());
  end_ += text.size();
  return true;
}

void LogWriter::flush() {
  turn_.reset();
  do {
    // The last lines before silence may have been the dropped ones.
    say_dropped();
    while (pending() > 0) {
      const Step step = write_chunk();
      if (step == Step::must_wait) return wait_for_room();
      if (step == Step::failed) forget();
    }
  } while (dropped_ != said_dropped_);
  room_.reset();
}

void LogWriter::drain(std::int64_t limit_us) {
  const std::int64_t last_us = monotonic_us() + limit_us;
  say_dropped();
  while (pending() > 0) {
    const Step step = write_chunk();
    if (step == Step::failed) return forget();
    if (step == Step::wrote) continue;
    const std::int64_t left_us = last_us - monotonic_us();
    if (left_us <= 0) return;
    pollfd ready{fd_, POLLOUT, 0};
    poll(&ready, 1, static_cast<int>(left_us / 1000 + 1));
  }
}

// There is no reader: the buffered lines are lost, and counted.
void LogWriter::forget() {
  dropped_ +=
      static_cast<std::uint64_t>(std::count(buffer_.get() + begin_, buffer_.get() + end_, '\n'));
  begin_ = end_ = 0;
  // That cannot be logged either.
  said_dropped_ = dropped_;
}

// As many whole lines as fit one write, or the rest of a line that was written in part.
std::size_t LogWriter::next_chunk() const {
  if (kind_ == Kind::file) return pending();
  const std::size_t most = std::min<std::size_t>(pending(), PIPE_BUF);
  const std::string_view piece(buffer_.get() + begin_, most);
  const std::size_t last = find_last_byte(piece, '\n');
  return last == piece.size() ? most : last + 1;
}

LogWriter::Step LogWriter::write_chunk() {
  const std::size_t size = next_chunk();
  const char* from = buffer_.get() + begin_;
  ssize_t done = 0;
  if (kind_ == Kind::socket) {
    done = send(fd_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  } else if (kind_ == Kind::file || has_room(fd_)) {
    done = ::write(fd_, from, size);
  } else {
    return Step::must_wait;
  }
  if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Step::must_wait;
  if (done < 0 && errno == EINTR) return Step::wrote;
  if (done < 0) return Step::failed;
  begin_ += static_cast<std::size_t>(done);
  return Step::wrote;
}

void LogWriter::wait_for_room() {
  if (room_ != nullptr) return;
  if (kind_ != Kind::other) {
    room_ = loop_.when_writable(fd_, [this] { flush(); });
    return;
  }
  room_ = loop_.after(kRetryUs, [this] {
    room_.reset();
    flush();
  });
}

}  // namespace qv::process
