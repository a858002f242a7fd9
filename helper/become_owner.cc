// SPDX-License-Identifier: 0BSD
#include "helper/become_owner.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/exit_code.h"

namespace qv::helper {

namespace {

constexpr uid_t kSameUid = static_cast<uid_t>(-1);
constexpr gid_t kSameGid = static_cast<gid_t>(-1);

void require(bool done) {
  if (!done) _exit(kExitTemporary);
}

}  // namespace

AsOwner::AsOwner(uid_t uid, gid_t gid) : switched_(geteuid() == 0) {
  require(uid != 0 && gid != 0 && uid != kSameUid && gid != kSameGid);
  if (!switched_) return;
  require(setgroups(1, &gid) == 0);
  require(setresgid(kSameGid, gid, kSameGid) == 0);
  require(setresuid(kSameUid, uid, kSameUid) == 0);
  require(geteuid() == uid && getegid() == gid);
  die_with_parent();
}

AsOwner::~AsOwner() {
  if (!switched_) return;
  require(setresuid(kSameUid, 0, kSameUid) == 0);
  require(setresgid(kSameGid, 0, kSameGid) == 0);
  require(setgroups(0, nullptr) == 0);
  require(geteuid() == 0 && getegid() == 0);
  die_with_parent();
}

void shed_groups() {
  if (geteuid() != 0) return;
  require(setgroups(0, nullptr) == 0);
  require(setresgid(0, 0, 0) == 0);
  require(setresuid(0, 0, 0) == 0);
}

void die_with_parent() { require(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0); }

}  // namespace qv::helper
