// SPDX-License-Identifier: 0BSD
// wire/smtp_reply.h - the replies of an SMTP or LMTP server, decoded as they arrive.
//
// A reply is one or more lines `NNN-text` and a last one `NNN text`, all with the same code (RFC
// 5321 section 4.2).  A line may end with a bare LF: such servers exist, and a reply is only
// classified, so nothing can be smuggled in.  CR elsewhere, and every other byte that is not
// printable ASCII, becomes '?'.  Codes below 200 and above 599, lines and replies over the limits,
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

namespace qv::wire {

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

// The whole reply as one printable line, "550 5.1.1 No such user here".  Lines are joined by one
// space; an enhanced code that is repeated on each line appears once.
[[nodiscard]] std::string reply_text(const SmtpReply& reply);

// The code of "5.1.1 text"; nullopt where there is none.
[[nodiscard]] std::optional<EnhancedCode> parse_enhanced_code(std::string_view line);

class SmtpReplyDecoder {
 public:
  static constexpr std::size_t kMaxLine = 2048;  // bytes without the line end; RFC 5321 says 512
  static constexpr std::size_t kMaxLines = 100;

  // Consumes `bytes` up to the end of a reply.  whole: reply() is set, and `bytes` begins behind
  // it. partial: all are consumed.  malformed: for good.
  [[nodiscard]] Frame take(std::string_view& bytes);

  // REQUIRES: take() returned whole.  The next take() begins a new reply.
  [[nodiscard]] const SmtpReply& reply() const { return reply_; }

 private:
  [[nodiscard]] Frame end_line();

  std::string line_;
  SmtpReply reply_;
  Frame state_ = Frame::partial;
};

}  // namespace qv::wire

#endif  // QV_WIRE_SMTP_REPLY_H_
