// SPDX-License-Identifier: 0BSD
// unix:passwd.byname, unix:group.byname - the system's accounts, by name.
//
// The value is the line of passwd(5) or group(5).  Name services may ask a server: look-ups can
// block.  Manual: qmail-map-static(5).
#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <vector>

#include "core/fault.h"
#include "core/text.h"
#include "maps/map.h"
#include "maps/spec.h"

namespace qv {

namespace {

constexpr std::size_t kMaxBuffer = std::size_t{16} << 20;

// Calls `get` with a buffer that grows until it is large enough; 0 or an errno.
template <class Get>
int with_buffer(std::vector<char>& buffer, const Get& get) {
  int code = 0;
  do {
    code = get();
    if (code != ERANGE || buffer.size() >= kMaxBuffer) continue;
    buffer.resize(buffer.size() * 2);
  } while (code == EINTR || (code == ERANGE && buffer.size() < kMaxBuffer));
  return code;
}

std::string text_of(const char* s) { return s == nullptr ? std::string() : std::string(s); }

// getpwnam_r(3) has more codes that may mean "no such name"; from those on this system other
// trouble cannot be told apart.
bool means_absent(int code) { return code == 0 || code == ENOENT || code == ESRCH; }

class UnixMap final : public Map {
 public:
  explicit UnixMap(bool groups) : groups_(groups), buffer_(4096) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    // No line of either file can have such a name.
    if (key.empty() || find_byte(key, '\0') != key.size() || find_byte(key, ':') != key.size()) {
      return Answer::absent;
    }
    const std::string name(key);
    return groups_ ? find_group(name, value) : find_user(name, value);
  }

 private:
  Result<Answer> find_user(const std::string& name, std::string& value) {
    passwd entry{};
    passwd* found = nullptr;
    const int code = with_buffer(buffer_, [&] {
      return getpwnam_r(name.c_str(), &entry, buffer_.data(), buffer_.size(), &found);
    });
    if (found == nullptr) return nothing(code);
    value = text_of(entry.pw_name) + ":" + text_of(entry.pw_passwd) + ":" +
            std::to_string(entry.pw_uid) + ":" + std::to_string(entry.pw_gid) + ":" +
            text_of(entry.pw_gecos) + ":" + text_of(entry.pw_dir) + ":" + text_of(entry.pw_shell);
    return Answer::found;
  }

  Result<Answer> find_group(const std::string& name, std::string& value) {
    group entry{};
    group* found = nullptr;
    const int code = with_buffer(buffer_, [&] {
      return getgrnam_r(name.c_str(), &entry, buffer_.data(), buffer_.size(), &found);
    });
    if (found == nullptr) return nothing(code);
    value = text_of(entry.gr_name) + ":" + text_of(entry.gr_passwd) + ":" +
            std::to_string(entry.gr_gid) + ":";
    for (char** member = entry.gr_mem; member != nullptr && *member != nullptr; ++member) {
      if (member != entry.gr_mem) value += ',';
      value += *member;
    }
    return Answer::found;
  }

  static Result<Answer> nothing(int code) {
    if (means_absent(code)) return Answer::absent;
    return Error{Fault::retry, code, "name service"};
  }

  bool groups_;
  std::vector<char> buffer_;
};

Result<std::unique_ptr<Map>> open_unix(const MapSpec& spec, std::string& detail) {
  const std::string_view name = strip_braces(spec.name);
  if (name != "passwd.byname" && name != "group.byname") {
    detail = "unix:" + spec.name + ": write unix:passwd.byname or unix:group.byname";
    return Error{Fault::config, 0, "unix table"};
  }
  return std::unique_ptr<Map>(std::make_unique<UnixMap>(name == "group.byname"));
}

}  // namespace

extern const MapType map_type_unix;
const MapType map_type_unix{
    "unix", {.networked = true}, "passwd.byname or group.byname: the system's accounts", open_unix};

}  // namespace qv
