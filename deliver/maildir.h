// SPDX-License-Identifier: 0BSD
// deliver/maildir.h - delivery into a maildir.
//
// tmp/ is written (O_EXCL, 0600) and fsynced, then the file moves to new/ under a name made of
// time, device, inode and host, never over another file, and the directory is fsynced; only then is
// it done.  What fails before that leaves nothing in new/ and nothing in tmp/; what a crash leaves
// in tmp/ is removed by any reader after 36 hours.
//
// A message that is in a file already is delivered at once: deliver_maildir().  One that is still
// arriving is written as it comes: MaildirDelivery.
//
// Manual: qmail-virtual(8), "MAILDIR".  Tests: tests/deliver/maildir_test.cc
#ifndef QV_DELIVER_MAILDIR_H_
#define QV_DELIVER_MAILDIR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "deliver/files.h"
#include "deliver/message.h"
#include "deliver/outcome.h"
#include "deliver/quota.h"

namespace qv {

struct MaildirTarget {
  std::string path;              // the maildir or a subfolder of it, ending in '/'
  std::string root;              // the maildir that `quota` is about, ending in '/'
  Quota quota;                   // none where it does not limit()
  std::uint64_t size_limit = 0;  // bytes of one message file; 0: none
  std::string host;              // of this machine, as uname(2) tells it
};

// A file in tmp/, gone again unless it was moved.
class TmpFile {
 public:
  TmpFile(Files& files, std::string directory, std::string_view host);
  TmpFile(const TmpFile&) = delete;
  TmpFile& operator=(const TmpFile&) = delete;
  ~TmpFile() { remove(); }

  // Error ENOENT: there is no such directory.
  [[nodiscard]] Result<void> create();
  void remove();
  void moved() { path_.clear(); }
  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] const char* path() const { return path_.c_str(); }

 private:
  Files& files_;
  std::string directory_;
  std::string host_;
  std::string path_;
  Fd file_;
};

// One message on its way into a maildir: begin(), the body in pieces, finish().  Ended before
// finish() it leaves nothing.
class MaildirDelivery {
 public:
  MaildirDelivery(Files& files, MaildirTarget target);

  // Makes the file in tmp/, and writes the header lines.  REQUIRES: is_clean(envelope).
  void begin(const Envelope& envelope);

  // The next piece of the body; and all of a body that is in a file.  What cannot be written is
  // passed over, and said by finish().
  void add(std::string_view piece);
  void add_all(const MessageSource& message);

  // That was all: makes it visible, or says why not.
  [[nodiscard]] Outcome finish();

 private:
  [[nodiscard]] Result<void> create();
  [[nodiscard]] Result<void> make_maildir();
  [[nodiscard]] Result<Fd> open_new();
  [[nodiscard]] Result<void> publish(std::uint64_t size);
  [[nodiscard]] Outcome admit_and_publish();
  void note(const Result<void>& written);
  void fail(Outcome why);

  Files& files_;
  MaildirTarget target_;
  TmpFile tmp_;
  std::optional<FileWriter> out_;  // set once there is a file
  std::optional<Outcome> failed_;  // nothing more is written
  char last_ = '\n';               // byte of the body
};

// REQUIRES: is_clean(envelope).
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

}  // namespace qv

#endif  // QV_DELIVER_MAILDIR_H_
