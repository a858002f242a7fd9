// SPDX-License-Identifier: 0BSD
// core/text_writer.h - composes one line of text in a buffer of the caller.
//
// What does not fit is left out; the text is NUL-terminated after every call.  No allocation; links
// without the C++ runtime.
// Tests: tests/core/text_writer_test.cc
#ifndef QV_CORE_TEXT_WRITER_H_
#define QV_CORE_TEXT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qv {

class TextWriter {
 public:
  // Writes to `out`, at most `size` bytes with the final NUL; a size of 0 writes nothing at all.
  // REQUIRES: `out` outlives the writer.
  TextWriter(char* out, std::size_t size);

  // Bytes as they are, as many as fit.
  TextWriter& put(std::string_view s);

  // As escape() of core/text.h writes them, at most `limit` characters; "..." follows where the
  // limit left bytes out.
  TextWriter& put_escaped(std::string_view s, std::size_t limit = SIZE_MAX);

  // A value of a log line (escape_logfmt() of core/json.h), at most `limit` characters; "..."
  // follows where the limit left bytes out.
  TextWriter& put_value(std::string_view s, std::size_t limit = SIZE_MAX);

  // Decimal.
  TextWriter& put_number(std::uint64_t n);

  // Without the final NUL.
  [[nodiscard]] std::string_view text() const { return {out_, used_}; }

 private:
  [[nodiscard]] std::size_t room() const { return size_ == 0 ? 0 : size_ - 1 - used_; }
  void end();

  char* out_;
  std::size_t size_;
  std::size_t used_ = 0;
};

}  // namespace qv

#endif  // QV_CORE_TEXT_WRITER_H_
