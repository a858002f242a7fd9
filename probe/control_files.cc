// SPDX-License-Identifier: 0BSD
#include "probe/control_files.h"

#include <pwd.h>
#include <unistd.h>

#include <utility>

#include "core/text.h"

namespace qv::probe {

ControlFiles::ControlFiles(const std::string& directory, control::WallClock clock)
    : verifyprobe_{directory + "/verifyprobe", control::Reloaded<control::ControlLines>(clock, 0)},
      smtproutes_{directory + "/smtproutes", control::Reloaded<control::ControlLines>(clock, 0)},
      users_{directory + "/probe_update_users", control::Reloaded<control::ControlLines>(clock, 0)},
      me_file_{directory + "/me", control::Reloaded<control::ControlLines>(clock, 0)} {}

void ControlFiles::forget() {
  again_ = true;
  for (File* file : {&verifyprobe_, &smtproutes_, &users_, &me_file_}) file->reloaded.force();
}

// True: use the lines.
bool ControlFiles::refresh(File& file, std::int64_t now_us,
                           std::vector<control::Problem>& problems) const {
  const control::Reload reload = file.reloaded.refresh(now_us, [&](auto& files) {
    return control::read_control_file(file.path, files.emplace_back());
  });
  if (reload == control::Reload::failed) {
    std::string trouble = file.reloaded.take_trouble();
    if (!trouble.empty()) problems.push_back({file.path, 0, std::move(trouble)});
  }
  if (reload != control::Reload::taken) return again_;
  auto lines = file.reloaded.value()->value_or(std::vector<control::ControlLine>{});
  if (lines == file.lines) return again_;
  file.lines = std::move(lines);
  return true;
}

control::Change ControlFiles::read(std::int64_t now_us, std::vector<control::Problem>& problems) {
  const bool probed = refresh(verifyprobe_, now_us, problems);
  const bool routes = refresh(smtproutes_, now_us, problems);
  const bool users = refresh(users_, now_us, problems);
  const bool me = refresh(me_file_, now_us, problems);
  if (probed || routes) use_routes(problems);
  if (users) use_users(problems);
  if (me) use_me();
  started_ = true;
  again_ = false;
  return probed || routes || users || me ? control::Change::changed : control::Change::none;
}

void ControlFiles::use_routes(std::vector<control::Problem>& problems) {
  const std::size_t before = problems.size();
  Routes routes(verifyprobe_.lines, smtproutes_.lines, problems);
  // A mistake in an edit must not turn off probing for a domain.  At the start there is nothing
  // older, and the good lines count.
  if (problems.size() > before && started_) return;
  routes_ = std::move(routes);
}

void ControlFiles::use_users(std::vector<control::Problem>& problems) {
  update_users_.clear();
  for (const control::ControlLine& line : users_.lines) {
    std::uint64_t number = 0;
    if (parse_decimal(line.text, UINT32_MAX - 1, number)) {
      update_users_.insert(static_cast<uid_t>(number));
    } else if (const passwd* entry = getpwnam(line.text.c_str())) {
      update_users_.insert(entry->pw_uid);
    } else {
      problems.push_back({users_.path, line.number, "no user \"" + line.text + "\""});
    }
  }
}

void ControlFiles::use_me() {
  char name[256] = "";
  if (!me_file_.lines.empty()) {
    me_ = me_file_.lines.front().text;
  } else if (gethostname(name, sizeof name - 1) == 0) {
    me_ = name;
  }
}

}  // namespace qv::probe
