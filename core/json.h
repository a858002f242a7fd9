// SPDX-License-Identifier: 0BSD
// core/json.h - bytes as the inside of a JSON string (RFC 8259), or as a value of logfmt.
//
// Links without the C++ runtime.  Tests: tests/core/json_test.cc
#ifndef QV_CORE_JSON_H_
#define QV_CORE_JSON_H_

#include <cstddef>
#include <string_view>

namespace qv {

// Characters that one byte of input becomes at most.
inline constexpr std::size_t kMaxJsonEscape = 6;

// Copies `s` to `out` as the inside of a JSON string.  Well-formed UTF-8 is unchanged; '"', '\\',
// control characters and DEL are escaped; any other byte becomes \u00XX, so that the output is
// always valid UTF-8.  Stops before a character that would not fit.  Returns the number of bytes
// written.
std::size_t escape_json(std::string_view s, char* out, std::size_t size);

// Copies `s` to `out` as a value of logfmt in printable ASCII: bare, or, where it contains a blank,
// '=', '"', '\\' or a byte that is not printable, between quotes and escaped as in JSON, with
// characters beyond ASCII as \uXXXX.  Stops before a character that would not fit, but closes the
// quotes; `whole` is false then.  Returns the number of bytes written.
std::size_t escape_logfmt(std::string_view s, char* out, std::size_t size, bool& whole);

}  // namespace qv

#endif  // QV_CORE_JSON_H_
