// SPDX-License-Identifier: 0BSD
// wire/netstring.h - `length:bytes,` as in https://cr.yp.to/proto/netstrings.txt
//
// Pure.  Tests: tests/wire/netstring_test.cc, fuzz_socketmap.cc
#ifndef QV_WIRE_NETSTRING_H_
#define QV_WIRE_NETSTRING_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "wire/frame.h"

namespace qv {

// Looks for one netstring at the start of `bytes`.  whole: `payload` points into `bytes`, `size` is
// the length of the netstring with its frame.  malformed: a length that is not a decimal number
// without leading zeros, a payload longer than `max`, no comma behind it.
[[nodiscard]] Frame parse_netstring(std::string_view bytes, std::size_t max,
                                    std::string_view& payload, std::size_t& size);

// Appends `payload` as a netstring.
void append_netstring(std::string& out, std::string_view payload);

}  // namespace qv

#endif  // QV_WIRE_NETSTRING_H_
