// SPDX-License-Identifier: 0BSD
#include "maps/tool/progress.h"

#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"

namespace qv {

namespace {

constexpr std::int64_t kQuietUs = 1'000'000;
constexpr std::int64_t kEveryUs = 200'000;
constexpr int kBarWidth = 30;

void write_line(const std::string& line) {
  // Nobody to tell where even that cannot be written.
  static_cast<void>(write_all(STDERR_FILENO, line));
}

}  // namespace

Progress::Progress(std::uint64_t total)
    : total_(total), begun_us_(monotonic_us()), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_us_ != 0) write_line("\r\x1b[K");
}

std::string progress_line(int percent, std::uint64_t entries, std::uint64_t per_second,
                          std::int64_t left_s) {
  std::string out;
  if (percent >= 0) {
    const auto filled = static_cast<std::size_t>(kBarWidth * percent / 100);
    out += "[" + std::string(filled, '#') + std::string(kBarWidth - filled, ' ') + "] " +
           std::to_string(percent) + " %  ";
  }
  out += std::to_string(entries) + " entries  " + std::to_string(per_second) + "/s";
  if (left_s >= 0) {
    const std::string seconds = std::to_string(left_s % 60);
    out += "  " + std::to_string(left_s / 60) + ":" + (seconds.size() < 2 ? "0" : "") + seconds +
           " left";
  }
  return out;
}

void Progress::show(std::uint64_t position, std::uint64_t entries) {
  const std::int64_t now = monotonic_us();
  const std::int64_t spent = now - begun_us_;
  if (!terminal_ || spent < kQuietUs || now - shown_us_ < kEveryUs) return;
  shown_us_ = now;
  int percent = -1;
  std::int64_t left_s = -1;
  if (total_ > 0 && position > 0 && position <= total_) {
    percent = static_cast<int>(position * 100 / total_);
    left_s = static_cast<std::int64_t>(static_cast<double>(spent) *
                                       static_cast<double>(total_ - position) /
                                       static_cast<double>(position) / 1e6);
  }
  const auto seconds = static_cast<double>(spent) / 1e6;
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(entries) / seconds);
  write_line("\r" + progress_line(percent, entries, rate, left_s) + "\x1b[K");
}

}  // namespace qv
