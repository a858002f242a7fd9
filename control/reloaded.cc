// SPDX-License-Identifier: 0BSD
#include "control/reloaded.h"

#include <string.h>

#include <algorithm>

namespace qv::control {

namespace {

bool is_settled(const SourceStamp& file) { return file.settled == 1 || file.identity_only; }

}  // namespace

std::string describe(const Error& error) {
  std::string text = error.what;
  if (error.errnum != 0) text.append(": ").append(strerrordesc_np(error.errnum));
  return text;
}

// The reason to read stays until accepts().
void FileWatch::failed(const Error& error) { trouble_ = describe(error); }

std::string FileWatch::take_trouble() {
  if (trouble_ == reported_) return {};
  return reported_ = trouble_;
}

bool FileWatch::is_due(std::int64_t now_us) {
  if (!forced_ && now_us < next_us_) return false;
  forced_ = false;
  now_us_ = now_us;
  next_us_ = now_us + interval_us_;
  checked_ns_ = wall_();
  if (again_) return true;
  return std::any_of(files_.begin(), files_.end(), [](const SourceStamp& file) {
    return !is_settled(file) || compare_source(file) != SourceState::same;
  });
}

bool FileWatch::accepts(std::vector<SourceStamp> files) {
  const bool same = std::equal(files.begin(), files.end(), files_.begin(), files_.end(),
                               [](const SourceStamp& now, const SourceStamp& before) {
                                 return now.path == before.path && is_unchanged(now, before);
                               });
  if (!same) since_us_ = now_us_;
  const bool stayed = (now_us_ - since_us_) * 1000 >= kSettleNs;
  // On the clock of before the reading, which may have taken long.
  const std::int64_t settled_before = checked_ns_ - kSettleNs;
  bool accepted = true;
  for (SourceStamp& file : files) {
    const bool old = std::max(file.modified_ns, file.changed_ns) < settled_before;
    file.settled = stayed || old ? 1 : 0;
    accepted = accepted && (!file.unfinished || file.settled == 1);
  }
  files_ = std::move(files);
  again_ = false;
  if (accepted) {
    trouble_.clear();
    reported_.clear();
  }
  return accepted;
}

}  // namespace qv::control
