// SPDX-License-Identifier: 0BSD
// maps/source.h - the files that tables are read from.
//
// Threads: none.  Tests: tests/maps/source_test.cc
#ifndef QV_MAPS_SOURCE_H_
#define QV_MAPS_SOURCE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "control/file_stamp.h"
#include "core/result.h"

namespace qv::maps {

inline constexpr std::size_t kMaxTextSource = std::size_t{1} << 31;  // bytes

// A text file as a whole.  Errors, with `detail` naming the file: cannot open or read it, not a
// regular file, longer than kMaxTextSource.
[[nodiscard]] Result<std::string> read_source(const std::string& path, control::SourceStamp& stamp,
                                              std::string& detail);

// "open /etc/x: No such file or directory".
[[nodiscard]] std::string describe_error(const Error& error, std::string_view path);

// A warning where everybody may read a file that holds a password; else empty.
[[nodiscard]] std::string warn_if_exposed(const control::SourceStamp& stamp);

}  // namespace qv::maps

#endif  // QV_MAPS_SOURCE_H_
