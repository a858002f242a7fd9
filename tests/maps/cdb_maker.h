// SPDX-License-Identifier: 0BSD
// tests/maps/cdb_maker.h - a cdb for a test.
#ifndef QV_TESTS_MAPS_CDB_MAKER_H_
#define QV_TESTS_MAPS_CDB_MAKER_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "maps/cdb_writer.h"
#include "tests/maps/scratch.h"

namespace qv::maps {

using Records = std::vector<std::pair<std::string, std::string>>;

inline void make_cdb(const std::string& path, const Records& records) {
  const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  CdbWriter writer(fd.get());
  for (const auto& [key, value] : records) EXPECT_TRUE(writer.add(key, value).ok());
  EXPECT_TRUE(writer.finish().ok());
}

}  // namespace qv::maps

#endif  // QV_TESTS_MAPS_CDB_MAKER_H_
