// SPDX-License-Identifier: 0BSD
// helper/become_owner.h - looking with somebody else's rights, and no others.
//
// The only file of this room that calls the setuid family (tests/gates/privileges).  A worker that
// runs as root becomes uid, gid and that one group for each look, and root again afterwards; real
// and saved uid stay root's, so the owner can neither signal nor trace it.  A worker that is not
// root looks as what it is.  If any step fails the process ends at once: with rights that are
// neither this nor that it must not go on.
//
// Threads: none.  Tests: tests/helper/home_test.cc (as root)
#ifndef QV_HELPER_BECOME_OWNER_H_
#define QV_HELPER_BECOME_OWNER_H_

#include <sys/types.h>

namespace qv::helper {

class AsOwner {
 public:
  // Ends the process for uid 0 and gid 0, whatever it runs as: nobody looks with root's rights.
  AsOwner(uid_t uid, gid_t gid);
  ~AsOwner();
  AsOwner(const AsOwner&) = delete;
  AsOwner& operator=(const AsOwner&) = delete;

 private:
  bool switched_;
};

// Once, at the start of a process of root's: no supplementary groups.
void shed_groups();

// Has this process killed when its parent dies.  The kernel forgets that whenever the effective
// uid changes, which is why it is done here, again and again.
void die_with_parent();

}  // namespace qv::helper

#endif  // QV_HELPER_BECOME_OWNER_H_
