// SPDX-License-Identifier: 0BSD
#include "core/text_writer.h"

#include <string.h>

#include "core/json.h"
#include "core/text.h"

namespace qv {

TextWriter::TextWriter(char* out, std::size_t size) : out_(out), size_(size) { end(); }

TextWriter& TextWriter::put(std::string_view s) {
  const std::string_view part = first_bytes(s, room());
  if (!part.empty()) memcpy(out_ + used_, part.data(), part.size());
  used_ += part.size();
  end();
  return *this;
}

TextWriter& TextWriter::put_escaped(std::string_view s, std::size_t limit) {
  for (const char& c : s) {
    char one[4];
    const std::size_t length = escape({&c, 1}, one, sizeof one);
    if (length > limit) return put("...");
    if (length > room()) return *this;
    limit -= length;
    put({one, length});
  }
  return *this;
}

TextWriter& TextWriter::put_value(std::string_view s, std::size_t limit) {
  bool whole = true;
  const bool is_limited = limit < room();
  used_ += escape_logfmt(s, out_ + used_, is_limited ? limit : room(), whole);
  end();
  if (whole || !is_limited) return *this;
  const bool is_quoted = ends_with(text(), "\"");
  if (is_quoted) --used_;
  return put(is_quoted ? "...\"" : "...");
}

TextWriter& TextWriter::put_number(std::uint64_t n) {
  char digits[20];
  std::size_t first = sizeof digits;
  do {
    digits[--first] = static_cast<char>('0' + n % 10);
    n /= 10;
  } while (n != 0);
  return put({digits + first, sizeof digits - first});
}

void TextWriter::end() {
  if (size_ != 0) out_[used_] = '\0';
}

}  // namespace qv
