// SPDX-License-Identifier: 0BSD
// core/text_writer.h - puts one line of text together in a buffer of its caller's.
//
// What does not fit is left out, and the text stays NUL-terminated after every call: a line may be
// cut, never broken.  No allocation; links without the C++ runtime.
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

  // As core/text.h's escape() writes them, at most `limit` characters; "..." follows where bytes
  // were left out for the limit's sake.
  TextWriter& put_escaped(std::string_view s, std::size_t limit = SIZE_MAX);

  // A value of a log line (core/json.h's escape_logfmt()), of at most `limit` characters; "..." is
  // put behind what was cut for the limit's sake.
  TextWriter& put_value(std::string_view s, std::size_t limit = SIZE_MAX);

  // Decimal.
  TextWriter& put_number(std::uint64_t n);

  // What has been written, without the final NUL.
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
