// SPDX-License-Identifier: 0BSD
#include "control/reloaded.h"

#include <string.h>

#include <algorithm>

namespace qv {

namespace {

bool is_settled(const SourceStamp& file) { return file.settled == 1 || file.identity_only; }

}  // namespace

std::string describe(const Error& error) {
  std::string text = error.what;
  if (error.errnum != 0) text.append(": ").append(strerrordesc_np(error.errnum));
  return text;
}

// Whatever was a reason to read stays one until accepts().
void FileWatch::failed(const Error& error) { trouble_ = describe(error); }

std::string FileWatch::take_trouble() {
  if (trouble_ == told_) return {};
  return told_ = trouble_;
}

bool FileWatch::is_due(std::int64_t now_us) {
  if (!forced_ && now_us < next_us_) return false;
  forced_ = false;
  now_us_ = now_us;
  next_us_ = now_us + interval_us_;
  looked_ns_ = wall_();
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
  // By the clock of before the reading, which may have taken a while.
  const std::int64_t settled_before = looked_ns_ - kSettleNs;
  bool believed = true;
  for (SourceStamp& file : files) {
    const bool old = std::max(file.modified_ns, file.changed_ns) < settled_before;
    file.settled = stayed || old ? 1 : 0;
    believed = believed && (!file.unfinished || file.settled == 1);
  }
  files_ = std::move(files);
  again_ = false;
  if (believed) {
    trouble_.clear();
    told_.clear();
  }
  return believed;
}

}  // namespace qv
