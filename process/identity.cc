// SPDX-License-Identifier: 0BSD
#include "process/identity.h"

#include <grp.h>
#include <unistd.h>

#include "core/fault.h"

namespace qv::process {

namespace {

constexpr uid_t kSameUid = static_cast<uid_t>(-1);
constexpr gid_t kSameGid = static_cast<gid_t>(-1);

Error refused(const char* what) { return {Fault::config, 0, what}; }

bool is_wholly(const Identity& who) {
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0) return false;
  if (getresgid(&gids[0], &gids[1], &gids[2]) != 0) return false;
  for (int i = 0; i < 3; ++i) {
    if (uids[i] != who.uid || gids[i] != who.gid) return false;
  }
  return true;
}

bool has_only_group(gid_t gid) {
  gid_t group = 0;
  return getgroups(1, &group) == 1 && group == gid;
}

bool could_be_root_again() {
  return setresuid(kSameUid, 0, kSameUid) == 0 || setresgid(kSameGid, 0, kSameGid) == 0 ||
         setuid(0) == 0 || setgid(0) == 0 || setgroups(0, nullptr) == 0;
}

}  // namespace

Result<void> become_for_good(const Identity& who) {
  if (who.uid == 0 || who.gid == 0) return refused("uid 0 and gid 0 are never served");
  if (who.uid == kSameUid || who.gid == kSameGid) return refused("no uid or gid");
  if (geteuid() != 0) {
    if (is_wholly(who)) return {};
    return refused("without root's rights only this process's own uid and gid are served");
  }
  if (setgroups(1, &who.gid) != 0) return errno_error("setgroups");
  if (setresgid(who.gid, who.gid, who.gid) != 0) return errno_error("setresgid");
  if (setresuid(who.uid, who.uid, who.uid) != 0) return errno_error("setresuid");
  if (!is_wholly(who) || !has_only_group(who.gid) || could_be_root_again()) {
    return refused("root's rights could be had back");
  }
  return {};
}

Result<void> drop_groups() {
  if (geteuid() == 0 && setgroups(0, nullptr) != 0) return errno_error("setgroups");
  return {};
}

}  // namespace qv::process
