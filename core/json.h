// SPDX-License-Identifier: 0BSD
// core/json.h - bytes as the inside of a JSON string (RFC 8259), or as a value of logfmt.
//
// Links without the C++ runtime.  Tests: tests/core/json_test.cc
#ifndef QV_CORE_JSON_H_
#define QV_CORE_JSON_H_

#include <cstddef>
#include <string_view>

namespace qv {

// The most characters one byte of input becomes.
inline constexpr std::size_t kMaxJsonEscape = 6;

// Copies `s` to `out` as what stands between the quotes of a JSON string.  Well-formed UTF-8 stays
// as it is; '"', '\\', control characters and DEL are escaped; a byte that is not part of
// well-formed UTF-8 becomes \u00XX, so that the output always is valid UTF-8.
// Stops before a character that would not fit.  Returns the number of bytes written.
std::size_t escape_json(std::string_view s, char* out, std::size_t size);

// Copies `s` to `out` as a value of logfmt in printable ASCII, as its parsers read it: bare, or
// where there is a blank, '=', '"', '\\' or any other byte in it between quotes and escaped as in
// JSON, characters beyond ASCII as \uXXXX.  Stops before a character that would not fit, but closes
// the quotes; `whole` says whether that was not so.  Returns the number of bytes written.
std::size_t escape_logfmt(std::string_view s, char* out, std::size_t size, bool& whole);

}  // namespace qv

#endif  // QV_CORE_JSON_H_
