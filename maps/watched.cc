// SPDX-License-Identifier: 0BSD
#include <algorithm>
#include <utility>

#include "control/reloaded.h"
#include "core/clock.h"
#include "maps/open.h"

namespace qv {

namespace {

class WatchedMap final : public Map {
 public:
  WatchedMap(std::string_view text, const MapOptions& options, MapNotice notice, MapClock clock)
      : text_(text), options_(options), notice_(std::move(notice)), clock_(std::move(clock)) {
    follow();
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

  // Whether the table that serves is a file that somebody has written to since: it is neither the
  // old table nor a new one.
  bool is_torn() const {
    return std::any_of(table_.files().begin(), table_.files().end(), [](const SourceStamp& file) {
      return file.mapped && is_written_over(file);
    });
  }

  std::string reason(const std::string& detail) const {
    for (const SourceStamp& file : table_.files()) {
      if (compare_source(file) == SourceState::unreadable) return file.path + " is gone";
    }
    return detail;
  }

  void follow() {
    std::string detail;
    switch (table_.refresh(now_us(), [&](std::vector<SourceStamp>& files) {
      Result<std::unique_ptr<Map>> opened = open_map(text_, options_, detail);
      if (opened.ok()) opened.value()->sources(files);
      return opened;
    })) {
      case Reload::none:
        return;
      case Reload::failed:
        if (detail.empty()) detail = describe_error(*table_.error(), {});
        if (is_torn()) table_.drop();
        if (table_.value() != nullptr) {
          tell(text_ + ": " + reason(detail) + "; the table read before goes on serving");
          return;
        }
        tell(text_ + ": " + detail);
        failed_ = make_fail_map(*table_.error(), detail);
        map_ = failed_.get();
        return;
      case Reload::taken:
        map_ = table_.value()->get();
        tell_of_new(detail);
        return;
    }
  }

  void tell_of_new(const std::string& detail) {
    if (options_.refuse_empty && map_->is_empty()) {
      tell(text_ + ": the table is empty; it gives no answer until it has an entry");
    } else if (!detail.empty()) {
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
  Reloaded<std::unique_ptr<Map>> table_;
  std::unique_ptr<Map> failed_;  // answers while no table has been read
  Map* map_ = nullptr;           // one of the two
  std::string last_told_;
};

}  // namespace

std::unique_ptr<Map> open_watched_map(std::string_view text, const MapOptions& options,
                                      MapNotice notice, MapClock clock) {
  return std::make_unique<WatchedMap>(text, options, std::move(notice), std::move(clock));
}

}  // namespace qv
