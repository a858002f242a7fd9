// SPDX-License-Identifier: 0BSD
// wire/tcp_table.h - Postfix's tcp_table(5) protocol: `get SP key NL`, and a code with a text.
//
// In keys and texts every byte that is '%', a blank, a control character or not ASCII is written as
// %XX.  A line has at most 4096 characters.  Replies: 200 value, 500 not found, 400 undecided.
//
// Pure.  Tests: tests/wire/tcp_table_test.cc, fuzz_tcp_table.cc
#ifndef QV_WIRE_TCP_TABLE_H_
#define QV_WIRE_TCP_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/frame.h"

namespace qv::wire::tcp_table {

inline constexpr std::size_t kMaxLine = 4096;  // characters, the newline not counted

enum class Status : std::uint8_t {
  found,      // 200
  not_found,  // 500
  retry,      // 400
};

// Parses a request line at the start of `bytes` and decodes its key.  whole: `size` is the line
// with its newline.  malformed: anything but `get`, a wrongly encoded key, a line too long.  A CR
// before the newline is ignored.
[[nodiscard]] Frame parse_request(std::string_view bytes, std::string& key, std::size_t& size);
// Appends a request; false, nothing appended, where the encoded line would be too long.
[[nodiscard]] bool append_request(std::string& out, std::string_view key);

struct Reply {
  Status status = Status::retry;
  std::string text;  // decoded
};

// Parses a reply line.  A code that is not 200, 400 or 500 is malformed.
[[nodiscard]] Frame parse_reply(std::string_view bytes, Reply& reply, std::size_t& size);
// Appends a reply.  A value too long for one line becomes 400: a truncated value must not pass for
// a whole one.  Texts of the other two are cut.
void append_reply(std::string& out, Status status, std::string_view text);

// Percent encoding.  decode() is false, `out` unspecified, on a '%' without two hexadecimal digits
// behind it; a byte that should have been encoded is accepted, as Postfix does.
[[nodiscard]] std::string encode(std::string_view text);
[[nodiscard]] bool decode(std::string_view text, std::string& out);

}  // namespace qv::wire::tcp_table

#endif  // QV_WIRE_TCP_TABLE_H_
