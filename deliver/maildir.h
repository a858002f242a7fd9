// SPDX-License-Identifier: 0BSD
// deliver/maildir.h - delivery into a maildir.
//
// A file in tmp/ is written (O_EXCL, 0600) and fsynced, moved to new/ under a name made of time,
// device, inode and host, never over another file, and the directory is fsynced; only then is the
// message delivered.  A failure before that leaves nothing in new/ or tmp/.  Readers remove what a
// crash leaves in tmp/ after 36 hours.
//
// Manual: qmail-virtual(8), "MAILDIR".  Tests: tests/deliver/maildir_test.cc
#ifndef QV_DELIVER_MAILDIR_H_
#define QV_DELIVER_MAILDIR_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "deliver/files.h"
#include "deliver/message.h"
#include "deliver/outcome.h"
#include "deliver/quota.h"

namespace qv::deliver {

struct MaildirTarget {
  std::string path;              // the maildir or a subfolder of it, ending in '/'
  std::string root;              // the maildir that `quota` limits, ending in '/'
  Quota quota;                   // none where it does not limit()
  std::uint64_t size_limit = 0;  // bytes of one message file; 0: none
  std::string host;              // name of this machine
};

// Makes the maildir where it is missing.  REQUIRES: is_clean(envelope).
[[nodiscard]] Outcome deliver_maildir(Files& files, const MaildirTarget& target,
                                      const Envelope& envelope, const MessageSource& message);

// The name of a message in new/: "seconds.V<dev>I<inode>M<usec>.host", dev and inode in
// hexadecimal, '/' and ':' of the host as \057 and \072.
[[nodiscard]] std::string maildir_name(const timespec& when, dev_t dev, ino_t inode,
                                       std::string_view host);

// The name of the subfolder for an address extension, ".ext"; empty where the extension cannot be
// a folder: empty, longer than 64 bytes, beginning or ending with a dot, with "..", '/', or bytes
// that are not printable ASCII.
[[nodiscard]] std::string extension_folder(std::string_view extension);

}  // namespace qv::deliver

#endif  // QV_DELIVER_MAILDIR_H_
