// SPDX-License-Identifier: 0BSD
#include "maps/types/logical_lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;

bool is_space(char c) { return is_blank(c) || c == '\r' || c == '\f' || c == '\v'; }

// Nothing in it but blanks or a comment.
bool is_void(std::string_view line) {
  std::size_t i = 0;
  while (i < line.size() && is_space(line[i])) ++i;
  return i == line.size() || line[i] == '#';
}

// A first byte that can neither continue a line nor be passed over.
bool begins_a_line(char c) { return !is_space(c) && c != '#' && c != '\n'; }

}  // namespace

LogicalLines::LogicalLines(std::string_view text) : at_end_(true), window_(text) {}

LogicalLines::LogicalLines(int fd) : fd_(fd), buffer_(kBuffer, '\0') {}

// Moves what is not yet passed to the front and reads more behind it.
Result<void> LogicalLines::refill() {
  const std::size_t left = window_.size() - at_;
  if (left >= kMaxLogicalLine) return Error{Fault::config, 0, "line too long"};
  if (at_ > 0 && left > 0) memmove(buffer_.data(), buffer_.data() + at_, left);
  if (left == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  passed_ += at_;
  at_ = 0;
  ssize_t n = 0;
  do {
    n = ::read(fd_, buffer_.data() + left, buffer_.size() - left);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return errno_error("read");
  at_end_ = n == 0;
  window_ = {buffer_.data(), left + static_cast<std::size_t>(n)};
  return {};
}

Result<Answer> LogicalLines::find_line() {
  std::size_t searched = 0;  // from at_
  for (;;) {
    const std::string_view rest = after_bytes(window_, at_ + searched);
    const std::size_t newline = find_byte(rest, '\n');
    if (newline < rest.size()) {
      end_ = at_ + searched + newline;
      return Answer::found;
    }
    if (at_end_) break;
    searched = window_.size() - at_;
    QV_TRY_VOID(refill());
  }
  end_ = window_.size();
  return at_ < end_ ? Answer::found : Answer::absent;
}

void LogicalLines::step_over() {
  at_ = end_ < window_.size() ? end_ + 1 : end_;
  ++number_;
}

// The line before is in joined_; adds what continues it and passes over comments in between.
Result<void> LogicalLines::join_continuations() {
  for (;;) {
    QV_TRY(const Answer more, find_line());
    if (more == Answer::absent) return {};
    const std::string_view line = window_.substr(at_, end_ - at_);
    if (!is_void(line)) {
      if (!is_blank(line.front())) return {};
      if (joined_.size() + line.size() > kMaxLogicalLine) {
        return Error{Fault::config, 0, "line too long"};
      }
      joined_ += line;
    }
    step_over();
  }
}

Result<Answer> LogicalLines::next(std::string_view& line) {
  for (;;) {
    QV_TRY(const Answer more, find_line());
    if (more == Answer::absent) return Answer::absent;
    if (!is_void(window_.substr(at_, end_ - at_))) break;
    step_over();
  }
  first_number_ = number_ + 1;
  // Nearly every line is followed by one that begins with a key: then nothing is copied.
  if (end_ + 1 < window_.size() && begins_a_line(window_[end_ + 1])) {
    line = window_.substr(at_, end_ - at_);
    step_over();
    return Answer::found;
  }
  joined_.assign(window_.substr(at_, end_ - at_));
  step_over();
  QV_TRY_VOID(join_continuations());
  line = joined_;
  return Answer::found;
}

}  // namespace qv
