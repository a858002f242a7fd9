// SPDX-License-Identifier: 0BSD
#include "maps/open.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "control/reloaded.h"
#include "control/settings.h"
#include "core/clock.h"
#include "core/text.h"
#include "maps/bytes.h"
#include "maps/registry.h"
#include "maps/spec.h"
#include "wire/proxymap.h"

namespace qv::maps {

namespace {

// A table in front of another, which does the work.
class FrontMap : public Map {
 public:
  Result<Answer> lookup(std::string_view key, std::string& value) override {
    before(Step::first);
    return map_->lookup(key, value);
  }
  void lookup_many(std::span<const std::string_view> keys, const Told& told) override {
    before(Step::first);
    map_->lookup_many(keys, told);
  }
  Result<Answer> update(std::string_view key, std::string_view value) override {
    before(Step::first);
    return map_->update(key, value);
  }
  Result<Answer> erase(std::string_view key) override {
    before(Step::first);
    return map_->erase(key);
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    before(step);
    return map_->sequence(step, key, value);
  }
  bool is_pattern() const override { return map_->is_pattern(); }
  bool is_empty() override { return map_->is_empty(); }
  const CdbFile* cdb() const override { return map_->cdb(); }
  const std::vector<control::SourceStamp>& sources() const override { return map_->sources(); }
  std::string detail() const override { return map_->detail(); }

 protected:
  // Called before the table is used; Step::next: a walk that was begun goes on.
  virtual void before(Step step) = 0;

  Map* map_ = nullptr;
};

// What MapOptions asks of every type: folding, and no answer from an empty table.
class OptionsMap final : public FrontMap {
 public:
  OptionsMap(std::unique_ptr<Map> inner, const MapOptions& options)
      : inner_(std::move(inner)), options_(options) {
    map_ = inner_.get();
  }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    if (is_refused()) return Error{Fault::config, 0, "empty table"};
    return inner_->lookup(fold(key), value);
  }
  void lookup_many(std::span<const std::string_view> keys, const Told& told) override {
    if (is_refused()) return Map::lookup_many(keys, told);
    if (!options_.fold_keys || inner_->is_pattern()) return inner_->lookup_many(keys, told);
    // Most keys are lower case as they are.
    std::vector<std::string_view> all(keys.begin(), keys.end());
    std::deque<std::string> folded;
    for (std::string_view& key : all) {
      if (has_upper(key)) key = folded.emplace_back(fold(key));
    }
    inner_->lookup_many(all, told);
  }
  Result<Answer> update(std::string_view key, std::string_view value) override {
    return FrontMap::update(fold(key), value);
  }
  Result<Answer> erase(std::string_view key) override { return FrontMap::erase(fold(key)); }
  std::string detail() const override {
    return refused_ ? "the table holds no entry" : inner_->detail();
  }

 private:
  void before(Step /*step*/) override { refused_ = false; }
  bool is_refused() {
    refused_ = options_.refuse_empty && inner_->is_empty();
    return refused_;
  }

  std::string_view fold(std::string_view key) {
    // Whether case counts in a pattern is part of the pattern.
    if (!options_.fold_keys || !has_upper(key) || inner_->is_pattern()) return key;
    folded_.assign(key);
    for (char& c : folded_) c = ascii_lower(c);
    return folded_;
  }

  std::unique_ptr<Map> inner_;
  MapOptions options_;
  bool refused_ = false;  // the last look-up
  std::string folded_;
};

class FailMap final : public Map {
 public:
  FailMap(const Error& error, std::string reason) : error_(error) { detail_ = std::move(reason); }

  Result<Answer> lookup(std::string_view /*key*/, std::string& /*value*/) override {
    return error_;
  }
  Result<Answer> update(std::string_view /*key*/, std::string_view /*value*/) override {
    return error_;
  }
  Result<Answer> erase(std::string_view /*key*/) override { return error_; }
  Result<Answer> sequence(Step /*step*/, std::string& /*key*/, std::string& /*value*/) override {
    return error_;
  }

 private:
  Error error_;
};

class WatchedMap final : public FrontMap {
 public:
  WatchedMap(std::string_view text, const MapOptions& options, MapNotice notice, MapClock clock)
      : text_(text), options_(options), notice_(std::move(notice)), clock_(std::move(clock)) {
    follow();
  }

 private:
  // A walk ends in the table it began in.
  void before(Step step) override {
    if (step == Step::first) follow();
  }

  void report(const std::string& line) {
    if (line == last_report_) return;
    last_report_ = line;
    if (notice_) notice_(line);
  }

  // True: the table that serves is a file that has been written to since, and so neither the old
  // table nor a new one.
  bool is_torn() const {
    return std::any_of(table_.files().begin(), table_.files().end(),
                       [](const control::SourceStamp& file) {
                         return file.mapped && control::is_written_over(file);
                       });
  }

  std::string reason(const std::string& detail) const {
    for (const control::SourceStamp& file : table_.files()) {
      if (control::compare_source(file) == control::SourceState::unreadable)
        return file.path + " is gone";
    }
    return detail;
  }

  void follow() {
    std::string detail;
    const std::int64_t now_us = clock_ ? clock_() : monotonic_us();
    switch (table_.refresh(now_us, [&](std::vector<control::SourceStamp>& files) {
      Result<std::unique_ptr<Map>> opened = open_map(text_, options_, detail);
      if (opened.ok()) files = opened.value()->sources();
      return opened;
    })) {
      case control::Reload::none:
        return;
      case control::Reload::failed:
        if (detail.empty()) detail = describe_error(*table_.error(), {});
        if (is_torn()) table_.drop();
        if (table_.value() != nullptr) {
          report(text_ + ": " + reason(detail) + "; the old table goes on serving");
          return;
        }
        report(text_ + ": " + detail);
        failed_ = make_fail_map(*table_.error(), detail);
        map_ = failed_.get();
        return;
      case control::Reload::taken:
        map_ = table_.value()->get();
        report_new(detail);
        return;
    }
  }

  void report_new(const std::string& detail) {
    if (options_.refuse_empty && map_->is_empty()) {
      report(text_ + ": the table is empty; it gives no answer until it has an entry");
    } else if (!detail.empty()) {
      report(text_ + ": " + detail);
    } else if (!last_report_.empty()) {
      report(text_ + ": in service");
      last_report_.clear();
    }
  }

  std::string text_;
  MapOptions options_;
  MapNotice notice_;
  MapClock clock_;
  control::Reloaded<std::unique_ptr<Map>> table_;
  std::unique_ptr<Map> failed_;  // answers while no table has been read
  std::string last_report_;
};

// Modules are beside the program, as in the build and where it is installed, or where `make
// install` has put them.  Nothing that a user or a client says has an influence on it.
std::string module_path(const std::string& name) {
  const std::string file = "/" + name + ".so";
  std::string self(4096, '\0');
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
  self.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t directory = self.rfind('/');
  if (directory != std::string::npos) {
    std::string beside = self.substr(0, directory) + "/../lib/qmail-verify/maps" + file;
    if (access(beside.c_str(), F_OK) == 0) return beside;
  }
  return kMapModules + file;
}

const MapType* load(const std::string& name, std::string& why) {
  const std::string path = module_path(name);
  if (access(path.c_str(), F_OK) != 0) {
    why = "tables of type " + name + " need " + path + ", which is not installed";
    return nullptr;
  }
  void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const void* const symbol = module == nullptr ? nullptr : dlsym(module, kMapModuleSymbol);
  if (symbol == nullptr) {
    const char* const error = dlerror();
    why = "tables of type " + name + " need " + path + ", which cannot be loaded: " + error;
    return nullptr;
  }
  const auto* const found = static_cast<const MapModule*>(symbol);
  if (std::string_view(found->interface) != kMapInterface) {
    why = path + " belongs to another version of qmail-verify (" + found->interface +
          "), this program is of " + kMapInterface;
    return nullptr;
  }
  const Traits& traits = found->type->traits;
  if (found->type->name != name || traits != kLoadableTraits || found->type->begin != nullptr) {
    why = path + " is no module of tables of type " + name;
    return nullptr;
  }
  return found->type;
}

bool is_loadable(std::string_view name) {
  const auto names = loadable_types();
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr int kMaxNesting = 8;

MapKind kind_within(std::string_view table, int depth) {
  MapKind kind;
  std::string_view type;
  std::string_view name;
  if (!split_type(strip_braces(table), type, name)) return kind;
  const std::optional<Traits> found = traits_of(type);
  if (!found) return kind;
  kind = {found->networked, found->pattern, true};
  const bool is_pipe = type == "pipemap";
  if ((type != "unionmap" && !is_pipe) || depth == kMaxNesting) return kind;
  std::vector<std::string_view> members;
  if (!split_list(strip_braces(name), members)) return kind;
  for (const std::string_view& member : members) {
    const MapKind inner = kind_within(member, depth + 1);
    kind.networked = kind.networked || inner.networked;
    // Only the first table of a pipe sees the key.
    if (!is_pipe || &member == &members.front()) kind.pattern = kind.pattern || inner.pattern;
  }
  return kind;
}

}  // namespace

void Map::lookup_many(std::span<const std::string_view> keys, const Told& told) {
  std::string value;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Result<Answer> answer = lookup(keys[i], value);
    told(i, answer, value);
  }
}

Result<std::unique_ptr<Map>> open_map(std::string_view text, const MapOptions& options,
                                      std::string& detail) {
  detail.clear();
  text = strip_braces(text);
  std::string_view type_name;
  std::string_view name;
  if (!split_type(text, type_name, name)) {
    detail = "\"" + std::string(text) +
             "\" is not a table: write type:name, with a type out of: " + map_type_names();
    return Error{Fault::config, 0, "table name"};
  }
  const MapType* type = find_map_type(type_name, &detail);
  if (type == nullptr) return Error{Fault::config, 0, "table type"};
  if (options.for_update && !type->traits.writable) {
    detail = "tables of type " + std::string(type_name) + " cannot be written";
    return Error{Fault::denied, 0, "table not writable"};
  }
  MapSpec spec{std::string(type_name), std::string(name), options};
  QV_TRY(std::unique_ptr<Map> map, type->open(spec, detail));
  if (!options.fold_keys && !options.refuse_empty) return map;
  return std::unique_ptr<Map>(std::make_unique<OptionsMap>(std::move(map), options));
}

std::unique_ptr<Map> make_fail_map(const Error& error, std::string reason) {
  return std::make_unique<FailMap>(error, std::move(reason));
}

std::unique_ptr<Map> open_watched_map(std::string_view text, const MapOptions& options,
                                      MapNotice notice, MapClock clock) {
  return std::make_unique<WatchedMap>(text, options, std::move(notice), std::move(clock));
}

const MapType* find_map_type(std::string_view name, std::string* why) {
  for (const MapType* type : built_in_types()) {
    if (type->name == name) return type;
  }
  std::string reason = "there is no table type \"" + std::string(name) +
                       "\" in this build, which has: " + map_type_names();
  if (is_loadable(name)) {
    static std::map<std::string, const MapType*, std::less<>> loaded;
    if (const auto at = loaded.find(name); at != loaded.end()) return at->second;
    if (const MapType* type = load(std::string(name), reason)) {
      return loaded.emplace(name, type).first->second;
    }
  }
  if (why != nullptr) *why = std::move(reason);
  return nullptr;
}

std::optional<Traits> traits_of(std::string_view name) {
  if (is_loadable(name)) return kLoadableTraits;
  const MapType* type = find_map_type(name);
  return type == nullptr ? std::nullopt : std::optional(type->traits);
}

std::string map_type_names() {
  std::vector<std::string_view> names(loadable_types().begin(), loadable_types().end());
  for (const MapType* type : built_in_types()) names.push_back(type->name);
  std::sort(names.begin(), names.end());
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ' ';
    out += name;
  }
  return out;
}

MapKind kind_of(std::string_view table) { return kind_within(table, 0); }

std::string proxy_address(bool for_update) {
  const auto given = control::from_environment(for_update ? "PROXYWRITE" : "PROXYMAP");
  if (given && !given->empty()) return *given;
  const std::string home = control::from_environment("QMAILHOME").value_or(QV_QMAILHOME);
  return "unix:" + home + (for_update ? "/proxymap/proxywrite" : "/proxymap/proxymap");
}

bool is_proxied(std::string_view& table) {
  const std::string_view inner = wire::proxymap::strip_proxy(table);
  const bool proxied = inner.size() != table.size();
  table = inner;
  return proxied;
}

}  // namespace qv::maps
