// SPDX-License-Identifier: 0BSD
// deliver/mbox.h - delivery to the end of an mbox.
//
// The file is locked, the unfinished message of a dead writer is cut off, the old length is
// recorded, the message is appended and fsynced, the record is erased, and the locks are released;
// only then is the message delivered.  On failure the file is cut back to its old length.
//
// The record is in the dotlock or, without `dotlock` in virtual_mailbox_lock, in MAILBOX.record.
// Where the recipient may not write to the directory there is no record, and a message that a crash
// has torn stays torn.
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

namespace qv::deliver {

struct MboxTarget {
  std::string path;  // does not end in '/'
  LockPolicy locks;
  std::uint64_t size_limit = 0;  // bytes of the whole mailbox; 0: none
  uid_t owner = 0;               // of the file, where `strict_ownership`
  bool strict_ownership = true;
};

// REQUIRES: is_clean(envelope).  Blocks for up to attempts times delay seconds for each lock.
[[nodiscard]] Outcome deliver_mbox(Files& files, const MboxTarget& target, const Envelope& envelope,
                                   const MessageSource& message);

}  // namespace qv::deliver

#endif  // QV_DELIVER_MBOX_H_
