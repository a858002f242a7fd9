// SPDX-License-Identifier: 0BSD
#include "probe/control_files.h"

#include <pwd.h>
#include <unistd.h>

#include <utility>

#include "core/text.h"

namespace qv {

std::vector<ControlLine> ControlFiles::lines_of(const File& file) {
  return file.used.value_or(std::vector<ControlLine>{});
}

ControlFiles::ControlFiles(const std::string& directory, WallClock clock)
    : verifyprobe_(directory + "/verifyprobe", clock),
      smtproutes_(directory + "/smtproutes", clock),
      users_(directory + "/probe_update_users", clock),
      me_file_(directory + "/me", clock) {}

void ControlFiles::forget() {
  again_ = true;
  for (File* file : {&verifyprobe_, &smtproutes_, &users_, &me_file_}) file->lines.force();
}

Change ControlFiles::read(File& file, std::int64_t now_us, std::vector<Problem>& problems) const {
  switch (file.lines.refresh(
      now_us, [&](auto& files) { return read_control_file(file.path, files.emplace_back()); })) {
    case Reload::none:
      break;
    case Reload::failed:
      if (std::string trouble = file.lines.take_trouble(); !trouble.empty()) {
        problems.push_back({file.path, 0, std::move(trouble)});
      }
      break;
    case Reload::taken:
      const ControlLines& lines = *file.lines.value();
      if (lines == file.used) break;
      file.used = lines;
      return Change::changed;
  }
  return again_ ? Change::changed : Change::none;
}

Change ControlFiles::read(std::int64_t now_us, std::vector<Problem>& problems) {
  const Change probed = read(verifyprobe_, now_us, problems);
  const Change routes = read(smtproutes_, now_us, problems);
  const Change users = read(users_, now_us, problems);
  const Change me = read(me_file_, now_us, problems);
  if (probed == Change::changed || routes == Change::changed) use_routes(problems);
  if (users == Change::changed) use_users(problems);
  if (me == Change::changed) use_me();
  started_ = true;
  again_ = false;
  const bool none = probed == routes && routes == users && users == me && me == Change::none;
  return none ? Change::none : Change::changed;
}

void ControlFiles::use_routes(std::vector<Problem>& problems) {
  const std::size_t before = problems.size();
  Routes routes(lines_of(verifyprobe_), lines_of(smtproutes_), problems);
  // A mistake in an edit must not turn probing off for a domain that was probed; at the start
  // there is nothing older to keep, and the good lines count.
  if (problems.size() > before && started_) return;
  routes_ = std::move(routes);
}

void ControlFiles::use_users(std::vector<Problem>& problems) {
  std::set<uid_t> users;
  for (const ControlLine& line : lines_of(users_)) {
    std::uint64_t number = 0;
    if (parse_decimal(line.text, UINT32_MAX - 1, number)) {
      users.insert(static_cast<uid_t>(number));
    } else if (const passwd* entry = getpwnam(line.text.c_str())) {
      users.insert(entry->pw_uid);
    } else {
      problems.push_back({users_.path, line.number, "no user \"" + line.text + "\""});
    }
  }
  update_users_ = std::move(users);
}

void ControlFiles::use_me() {
  if (const std::vector<ControlLine> lines = lines_of(me_file_); !lines.empty()) {
    me_ = lines.front().text;
    return;
  }
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) == 0) me_ = name;
}

}  // namespace qv
