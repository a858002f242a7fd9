// SPDX-License-Identifier: 0BSD
// unix:passwd.byname, unix:group.byname - the system's accounts, by name.
//
// The value is the line of passwd(5) or group(5).  Name services may ask a server, so look-ups can
// block.  Manual: qmail-map-static(5).
#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <vector>

#include "maps/map.h"
#include "maps/spec.h"

namespace qv {

namespace {

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

extern const MapType map_type_unix;
const MapType map_type_unix{
    "unix", {.networked = true}, "passwd.byname or group.byname: the system's accounts", open_unix};

}  // namespace qv
