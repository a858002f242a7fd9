// SPDX-License-Identifier: 0BSD
// wire/smtp_reply.h - the replies of an SMTP or LMTP server, bytes to struct as they arrive.
//
// A reply is one or more lines `NNN-text` and a last one `NNN text`, all with the same code (RFC
// 5321 section 4.2).  A line may end with LF alone: servers that do so exist, and nothing can be
// smuggled into a reply that is only judged.  CR elsewhere, and every other byte that is not
// printable ASCII, becomes '?'.  Code 0 to 199 and 600 upward, lines and replies over the limits,
// and codes that differ within a reply are malformed.
//
// Pure: no I/O.  Tests: tests/wire/smtp_reply_test.cc, fuzz_smtp_reply.cc
#ifndef QV_WIRE_SMTP_REPLY_H_
#define QV_WIRE_SMTP_REPLY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/frame.h"

namespace qv {

// RFC 3463: class.subject.detail.
struct EnhancedCode {
  std::uint16_t of_class = 0;  // 2, 4 or 5
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;
  friend bool operator==(const EnhancedCode&, const EnhancedCode&) = default;
};

struct SmtpReply {
  int code = 0;                          // 200 to 599
  std::optional<EnhancedCode> enhanced;  // of the first line
  std::vector<std::string> lines;        // at least one; without code, with the enhanced code

  [[nodiscard]] int of_class() const { return code / 100; }
};

// The whole reply as one printable line, "550 5.1.1 No such user here"; lines are joined by one
// space, and of an enhanced code that all of them carry the first remains.
[[nodiscard]] std::string reply_text(const SmtpReply& reply);

// "5.1.1 text": the code, and the text after it; nullopt where there is none.
[[nodiscard]] std::optional<EnhancedCode> parse_enhanced_code(std::string_view line);

class SmtpReplyDecoder {
 public:
  static constexpr std::size_t kMaxLine = 2048;  // bytes without the line end; RFC 5321 says 512
  static constexpr std::size_t kMaxLines = 100;

  // Takes bytes from the front of `bytes` up to the end of a reply.  whole: reply() is set and
  // `bytes` begins after it.  partial: all were taken.  malformed: for good.
  [[nodiscard]] Frame take(std::string_view& bytes);

  // REQUIRES: take() said whole.  The next take() begins a new reply.
  [[nodiscard]] const SmtpReply& reply() const { return reply_; }

 private:
  [[nodiscard]] Frame end_line();

  std::string line_;
  SmtpReply reply_;
  Frame state_ = Frame::partial;
};

}  // namespace qv

#endif  // QV_WIRE_SMTP_REPLY_H_
