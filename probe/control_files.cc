// SPDX-License-Identifier: 0BSD
#include "probe/control_files.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

namespace qv {

namespace {
constexpr const char* kNames[] = {"verifyprobe", "smtproutes", "probe_update_users", "me"};
}

std::string ControlFiles::path_of(std::size_t file) const {
  return directory_ + "/" + kNames[file];
}

ControlFiles::Stamp ControlFiles::stamp_of(std::size_t file) const {
  struct stat st {};
  if (stat(path_of(file).c_str(), &st) != 0) return {};
  return {st.st_ino, static_cast<std::uint64_t>(st.st_size),
          st.st_mtim.tv_sec * std::int64_t{1000000000} + st.st_mtim.tv_nsec};
}

void ControlFiles::forget() { read_before_ = false; }

ControlFiles::Change ControlFiles::read(std::vector<Problem>& problems) {
  Change change = Change::none;
  bool routes = false;
  for (std::size_t file = 0; file < kFiles; ++file) {
    const Stamp stamp = stamp_of(file);
    if (read_before_ && stamp == stamps_[file]) continue;
    stamps_[file] = stamp;
    const auto lines = read_control_file(path_of(file));
    if (!lines.ok()) {
      std::string text = lines.error().what;
      if (lines.error().errnum != 0) text += std::string(": ") + strerror(lines.error().errnum);
      problems.push_back({path_of(file), 0, text});
      continue;
    }
    change = Change::some;
    lines_[file] = lines.value().value_or(Lines{});
    if (file == kVerifyprobe || file == kSmtproutes) {
      routes = true;
    } else {
      use(file, problems);
    }
  }
  if (routes) use_routes(problems);
  read_before_ = true;
  return change;
}

void ControlFiles::use(std::size_t file, std::vector<Problem>& problems) {
  if (file == kUpdateUsers) use_users(problems);
  if (file == kMe) use_me();
}

void ControlFiles::use_routes(std::vector<Problem>& problems) {
  const std::size_t before = problems.size();
  Routes routes(lines_[kVerifyprobe], lines_[kSmtproutes], problems);
  // A mistake in an edit must not turn probing off for a domain that was probed; at the start
  // there is nothing older to keep, and the good lines count.
  if (problems.size() > before && read_before_) return;
  routes_ = std::move(routes);
}

void ControlFiles::use_users(std::vector<Problem>& problems) {
  std::set<uid_t> users;
  for (const ControlLine& line : lines_[kUpdateUsers]) {
    std::uint64_t number = 0;
    if (parse_decimal(line.text, UINT32_MAX - 1, number)) {
      users.insert(static_cast<uid_t>(number));
    } else if (const passwd* entry = getpwnam(line.text.c_str())) {
      users.insert(entry->pw_uid);
    } else {
      problems.push_back({path_of(kUpdateUsers), line.number, "no user \"" + line.text + "\""});
    }
  }
  update_users_ = std::move(users);
}

void ControlFiles::use_me() {
  if (!lines_[kMe].empty()) {
    me_ = lines_[kMe].front().text;
    return;
  }
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) == 0) me_ = name;
}

}  // namespace qv
