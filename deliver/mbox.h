// SPDX-License-Identifier: 0BSD
// deliver/mbox.h - delivery to the end of an mbox.
//
// The file is locked, a dead writer's torn tail is cut, the old length is put on record, the
// message is appended and fsynced, the record is crossed out, the locks are given up; only then is
// it done. What fails cuts the file back to its old length.
//
// The record is kept in the dotlock, or, without `dotlock` in virtual_mailbox_lock, in
// MAILBOX.record. Where that cannot be made, because the directory is not the recipient's to write,
// it is done without: what a crash tears there stays torn.
//
// Manual: qmail-virtual(8), "MBOX".  Tests: tests/deliver/mbox_test.cc
#ifndef QV_DELIVER_MBOX_H_
#define QV_DELIVER_MBOX_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "deliver/files.h"
#include "deliver/locks.h"
#include "deliver/message.h"
#include "deliver/outcome.h"

namespace qv {

struct MboxTarget {
  std::string path;  // does not end in '/'
  LockPolicy locks;
  std::uint64_t size_limit = 0;  // bytes of the whole mailbox; 0: none
  uid_t owner = 0;               // who the file must belong to, where `strict_ownership`
  bool strict_ownership = true;
};

// REQUIRES: is_clean(envelope).  Blocks for up to attempts times delay seconds for each lock.
[[nodiscard]] Outcome deliver_mbox(Files& files, const MboxTarget& target, const Envelope& envelope,
                                   const MessageSource& message);

}  // namespace qv

#endif  // QV_DELIVER_MBOX_H_
