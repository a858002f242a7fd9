// SPDX-License-Identifier: 0BSD
// static:VALUE - every key has this value.  As in Postfix `static:{ text with blanks }`, too.
//
// fail:REASON - every look-up fails, with Fault::retry, or with the fault named first: `fail:config
// TEXT`, `fail:denied TEXT`, `fail:protocol TEXT`.  It shows what a broken table does.
//
// environ: - the environment of the process: NAME has the value of the variable NAME.
//
// unix:passwd.byname, unix:group.byname - the system's accounts, by name: the line of passwd(5) or
// group(5).  Name services may ask a server, so look-ups can block.
//
// Manual: qmail-map-static(5).
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include <vector>

#include "core/fault.h"
#include "core/text.h"
#include "maps/open.h"
#include "maps/spec.h"

extern char** environ;

namespace qv::maps {

namespace {

class StaticMap final : public Map {
 public:
  explicit StaticMap(std::string_view value) : value_(value) {}
  Result<Answer> lookup(std::string_view /*key*/, std::string& value) override {
    value = value_;
    return Answer::found;
  }

 private:
  std::string value_;
};

Result<std::unique_ptr<Map>> open_static(const MapSpec& spec, std::string& /*detail*/) {
  const std::string_view name = spec.name;
  return std::unique_ptr<Map>(
      std::make_unique<StaticMap>(is_braced(name) ? strip_braces(name) : name));
}

Result<std::unique_ptr<Map>> open_fail(const MapSpec& spec, std::string& /*detail*/) {
  std::string_view text = strip_braces(spec.name);
  std::string_view rest = text;
  const std::string_view word = take_until(rest, ' ');
  Fault fault = Fault::retry;
  static constexpr std::pair<std::string_view, Fault> kFaults[] = {{"retry", Fault::retry},
                                                                   {"config", Fault::config},
                                                                   {"denied", Fault::denied},
                                                                   {"protocol", Fault::protocol}};
  for (const auto& [name, its_fault] : kFaults) {
    if (word != name) continue;
    fault = its_fault;
    text = trim_white(rest);
  }
  std::string reason = text.empty() ? "this table always fails" : std::string(text);
  return make_fail_map(Error{fault, 0, "fail table"}, std::move(reason));
}

class EnvironMap final : public Map {
 public:
  Result<Answer> lookup(std::string_view key, std::string& value) override {
    // No variable can have such a name, and getenv() would look for another one.
    if (key.empty() || key.find_first_of(std::string_view("=\0", 2)) != std::string_view::npos) {
      return Answer::absent;
    }
    const char* found = getenv(std::string(key).c_str());
    if (found == nullptr) return Answer::absent;
    value = found;
    return Answer::found;
  }

  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    if (step == Step::first) at_ = 0;
    if (environ == nullptr || environ[at_] == nullptr) return Answer::absent;
    std::string_view rest = environ[at_++];
    key = take_until(rest, '=');
    value = rest;
    return Answer::found;
  }

 private:
  std::size_t at_ = 0;
};

Result<std::unique_ptr<Map>> open_environ(const MapSpec& /*spec*/, std::string& /*detail*/) {
  return std::unique_ptr<Map>(std::make_unique<EnvironMap>());
}

constexpr std::size_t kMaxBuffer = std::size_t{16} << 20;

std::string text_of(const char* s) { return s == nullptr ? std::string() : std::string(s); }

std::string line_of(const passwd& entry) {
  return text_of(entry.pw_name) + ":" + text_of(entry.pw_passwd) + ":" +
         std::to_string(entry.pw_uid) + ":" + std::to_string(entry.pw_gid) + ":" +
         text_of(entry.pw_gecos) + ":" + text_of(entry.pw_dir) + ":" + text_of(entry.pw_shell);
}

std::string line_of(const group& entry) {
  std::string line = text_of(entry.gr_name) + ":" + text_of(entry.gr_passwd) + ":" +
                     std::to_string(entry.gr_gid) + ":";
  for (char** member = entry.gr_mem; member != nullptr && *member != nullptr; ++member) {
    if (member != entry.gr_mem) line += ',';
    line += *member;
  }
  return line;
}

// `get` is getpwnam_r(3) or getgrnam_r(3).
template <class Entry, int (*get)(const char*, Entry*, char*, std::size_t, Entry**)>
class UnixMap final : public Map {
 public:
  Result<Answer> lookup(std::string_view key, std::string& value) override {
    // No line of either file can have such a name.
    if (key.empty() || key.find_first_of(std::string_view(":\0", 2)) != key.npos) {
      return Answer::absent;
    }
    const std::string name(key);
    Entry entry{};
    Entry* found = nullptr;
    int code = 0;
    do {
      if (code == ERANGE) buffer_.resize(buffer_.size() * 2);
      code = get(name.c_str(), &entry, buffer_.data(), buffer_.size(), &found);
    } while (code == EINTR || (code == ERANGE && buffer_.size() < kMaxBuffer));
    if (found != nullptr) {
      value = line_of(*found);
      return Answer::found;
    }
    // On other systems more codes mean "no such name"; on this one they mean trouble.
    if (code == 0 || code == ENOENT || code == ESRCH) return Answer::absent;
    return Error{Fault::retry, code, "name service"};
  }

 private:
  std::vector<char> buffer_ = std::vector<char>(4096);
};

Result<std::unique_ptr<Map>> open_unix(const MapSpec& spec, std::string& detail) {
  const std::string_view name = strip_braces(spec.name);
  if (name == "passwd.byname") {
    return std::unique_ptr<Map>(std::make_unique<UnixMap<passwd, getpwnam_r>>());
  }
  if (name == "group.byname") {
    return std::unique_ptr<Map>(std::make_unique<UnixMap<group, getgrnam_r>>());
  }
  detail = "unix:" + spec.name + ": write unix:passwd.byname or unix:group.byname";
  return Error{Fault::config, 0, "unix table"};
}

}  // namespace

extern const MapType map_type_static{"static", {}, "VALUE: every key has this value", open_static};

extern const MapType map_type_fail{
    "fail", {.writable = true, .listable = true}, "REASON: every look-up fails", open_fail};

extern const MapType map_type_environ{
    "environ", {.listable = true}, ": the environment of the process", open_environ};

extern const MapType map_type_unix{
    "unix", {.networked = true}, "passwd.byname or group.byname: the system's accounts", open_unix};

}  // namespace qv::maps
