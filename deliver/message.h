// SPDX-License-Identifier: 0BSD
// deliver/message.h - an envelope, and a message body on a seekable descriptor.
//
// The body is never in memory as a whole: it is read in pieces, by offset, so that several
// deliveries can read the same file at the same time.  Lines end in LF.
//
// Threads: none.  Tests: tests/deliver/message_test.cc
#ifndef QV_DELIVER_MESSAGE_H_
#define QV_DELIVER_MESSAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "deliver/files.h"

namespace qv::deliver {

// Addresses without the quoting of RFC 5321: `a b@x`, not `"a b"@x`.
struct Envelope {
  std::string sender;     // empty: the null sender
  std::string original;   // the recipient before any rewriting
  std::string recipient;  // the recipient delivered to
};

// The body: from `start` to the end of the file.  The descriptor belongs to the caller.
struct MessageSource {
  int fd = -1;
  off_t start = 0;
};

// True where no part of the envelope holds CR, LF or NUL: in a mailbox such bytes would become
// header lines, or messages of their own (protocols of Postfix, 2026: envelope records with
// newlines).
[[nodiscard]] bool is_clean(const Envelope& envelope);
[[nodiscard]] bool is_clean(std::string_view address);

// The address for a header: the local part in quotes where RFC 5322 asks for them.
[[nodiscard]] std::string quote_address(std::string_view address);

// "Return-Path: <sender>\nX-Original-To: original\nDelivered-To: recipient\n".
// Addresses are quoted.  REQUIRES: is_clean(envelope).
[[nodiscard]] std::string header_lines(const Envelope& envelope);

// "From sender date\n" in asctime form, UTC; the null sender is MAILER-DAEMON.  Blanks in the
// sender become '-': a reader takes the first blank as the end of the sender.
[[nodiscard]] std::string from_line(std::string_view sender, time_t when);

enum class Looping : std::uint8_t { none, found };

// found: the header has a line `Delivered-To: recipient` (case ignored), so this recipient has had
// the message before.  The header ends at the first empty line.
[[nodiscard]] Result<Looping> find_loop(Files& files, const MessageSource& source,
                                        std::string_view recipient);

// Writes to a descriptor through a buffer.
class FileWriter {
 public:
  FileWriter(Files& files, int fd);
  // Errors: those of write(2).  After one, nothing else may be written.
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Result<void> flush();
  // Bytes appended so far.
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  Files& files_;
  int fd_;
  std::uint64_t size_ = 0;
  std::string buffer_;
};

enum class Quoting : std::uint8_t {
  none,  // maildir: as it is
  mbox,  // '>' before each line that begins with "From "
};

// Appends the body.  A missing final newline is added; an empty body stays empty.
[[nodiscard]] Result<void> copy_body(Files& files, const MessageSource& source, Quoting quoting,
                                     FileWriter& out);

}  // namespace qv::deliver

#endif  // QV_DELIVER_MESSAGE_H_
