// SPDX-License-Identifier: 0BSD
#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "maps/open.h"

namespace qv {

namespace {

constexpr std::int64_t kLookAgainUs = 1'000'000;

class WatchedMap final : public Map {
 public:
  WatchedMap(std::string_view text, const MapOptions& options, MapNotice notice, MapClock clock)
      : text_(text), options_(options), notice_(std::move(notice)), clock_(std::move(clock)) {
    open();
    next_look_us_ = now_us() + kLookAgainUs;
  }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    follow();
    return map_->lookup(key, value);
  }
  void lookup_many(std::span<const std::string_view> keys, const Told& told) override {
    follow();
    map_->lookup_many(keys, told);
  }
  Result<Answer> update(std::string_view key, std::string_view value) override {
    follow();
    return map_->update(key, value);
  }
  Result<Answer> erase(std::string_view key) override {
    follow();
    return map_->erase(key);
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    // A walk ends in the table it began in.
    if (step == Step::first) follow();
    return map_->sequence(step, key, value);
  }
  bool is_pattern() const override { return map_->is_pattern(); }
  bool is_empty() override { return map_->is_empty(); }
  const CdbFile* cdb() const override { return map_->cdb(); }
  void sources(std::vector<SourceStamp>& out) const override { map_->sources(out); }
  std::string detail() const override { return map_->detail(); }

 private:
  std::int64_t now_us() const { return clock_ ? clock_() : monotonic_us(); }

  void tell(const std::string& line) {
    if (line == last_told_) return;
    last_told_ = line;
    if (notice_ && !line.empty()) notice_(line);
  }

  // Whether what was opened last is not what is there now.
  bool has_changed() {
    if (!serving_) return true;
    for (SourceStamp& stamp : stamps_) {
      switch (compare_source(stamp)) {
        case SourceState::same:
          // Read again once, when the times of a further change must differ.
          if (std::exchange(stamp.recent, false) && !stamp.identity_only) return true;
          break;
        case SourceState::changed:
          return true;
        case SourceState::unreadable:
          tell(text_ + ": " + stamp.path + " is gone; the table read from it goes on serving");
          return false;
      }
    }
    return false;
  }

  // Whether the table that serves is a file that somebody has written to since: it is neither the
  // old table nor a new one.
  bool is_torn() const {
    return std::any_of(stamps_.begin(), stamps_.end(), [](const SourceStamp& stamp) {
      return stamp.mapped && is_written_over(stamp);
    });
  }

  void follow() {
    const std::int64_t now = now_us();
    if (now < next_look_us_) return;
    next_look_us_ = now + kLookAgainUs;
    if (has_changed()) open();
  }

  void open() {
    std::string detail;
    Result<std::unique_ptr<Map>> opened = open_map(text_, options_, detail);
    if (!opened.ok()) {
      if (detail.empty()) detail = describe_error(opened.error(), {});
      serving_ = serving_ && !is_torn();
      tell(text_ + ": " + detail + (serving_ ? "; the table read before goes on serving" : ""));
      if (!serving_) map_ = make_fail_map(opened.error(), detail);
      return;
    }
    map_ = std::move(opened).value();
    serving_ = true;
    stamps_.clear();
    map_->sources(stamps_);
    if (options_.refuse_empty && map_->is_empty()) {
      tell(text_ + ": the table is empty; it gives no answer until it has an entry");
      return;
    }
    if (!detail.empty()) {
      tell(text_ + ": " + detail);
    } else if (!last_told_.empty()) {
      tell(text_ + ": in service");
      last_told_.clear();
    }
  }

  std::string text_;
  MapOptions options_;
  MapNotice notice_;
  MapClock clock_;
  std::unique_ptr<Map> map_;
  bool serving_ = false;  // map_ is a table, not the reason why there is none
  std::vector<SourceStamp> stamps_;
  std::int64_t next_look_us_ = 0;
  std::string last_told_;
};

}  // namespace

std::unique_ptr<Map> open_watched_map(std::string_view text, const MapOptions& options,
                                      MapNotice notice, MapClock clock) {
  return std::make_unique<WatchedMap>(text, options, std::move(notice), std::move(clock));
}

}  // namespace qv
