// SPDX-License-Identifier: 0BSD
#include "deliver/as_user.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fault.h"

namespace qv {

namespace {

Error refused(const char* what) { return {Fault::config, 0, what}; }

// All three ids, of both kinds.
bool is_wholly(uid_t uid, gid_t gid) {
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0) return false;
  if (getresgid(&gids[0], &gids[1], &gids[2]) != 0) return false;
  for (int i = 0; i < 3; ++i) {
    if (uids[i] != uid || gids[i] != gid) return false;
  }
  return true;
}

Result<void> give_up_root(uid_t uid, gid_t gid) {
  if (setgroups(1, &gid) != 0) return errno_error("setgroups");
  if (setresgid(gid, gid, gid) != 0) return errno_error("setresgid");
  if (setresuid(uid, uid, uid) != 0) return errno_error("setresuid");
  if (!is_wholly(uid, gid) || setuid(0) == 0 || setgid(0) == 0 || setgroups(0, nullptr) == 0) {
    return refused("root's rights could be had back");
  }
  return {};
}

Result<void> restrain() {
  umask(077);
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return errno_error("setrlimit");
#ifdef PR_SET_NO_NEW_PRIVS
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("prctl");
#endif
  return {};
}

}  // namespace

Result<void> become_user(uid_t uid, gid_t gid) {
  if (uid == 0 || gid == 0) return refused("uid 0 and gid 0 are never delivered to");
  if (geteuid() == 0) {
    QV_TRY_VOID(give_up_root(uid, gid));
  } else if (!is_wholly(uid, gid)) {
    return refused("without root's rights only this process's own uid and gid are delivered to");
  }
  return restrain();
}

}  // namespace qv
