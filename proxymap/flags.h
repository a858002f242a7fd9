// SPDX-License-Identifier: 0BSD
// proxymap/flags.h - the flags of a table as clients see them, in both dialects.
//
// A table has bits of its own: fixed strings or patterns, several writers, and, for file formats in
// which some programs end keys with a NUL and others do not, "try without" and "try with".  The
// latter two are both set until the first entry is found, which settles it.
//
// Since 3.11 the client carries the flags: the reply to open is what it asked for with the table's
// own bits, every further reply is what it sent with what has been settled meanwhile.  Before, only
// open is answered with flags, and shows what the request before had asked for.
//
// Pure.  Tests: tests/proxymap/flags_test.cc, tests/proxymap/golden_test.cc
#ifndef QV_PROXYMAP_FLAGS_H_
#define QV_PROXYMAP_FLAGS_H_

#include <cstdint>
#include <string_view>

namespace qv::proxymap {

enum class KeyEnding : std::uint8_t { unknown, without_nul, with_nul };

// The own bits of a table of this type; `pattern` as the type or the open table says.
[[nodiscard]] std::uint32_t own_flags(std::string_view type, bool pattern);

// What open answers: the table's own bits and what was asked for.  A table with several writers is
// locked for each use where a lock for its whole life was asked for.
[[nodiscard]] std::uint32_t opened_flags(std::uint32_t own, std::uint32_t asked);

// `flags` without the bit that did not fit.
[[nodiscard]] std::uint32_t settle(std::uint32_t flags, KeyEnding ending);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_FLAGS_H_
