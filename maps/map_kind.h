// SPDX-License-Identifier: 0BSD
// maps/map_kind.h - what a table is, seen from its name alone, before anything is opened.
//
// Pure.  Tests: tests/maps/map_kind_test.cc
#ifndef QV_MAPS_MAP_KIND_H_
#define QV_MAPS_MAP_KIND_H_

#include <string_view>

namespace qv {

struct MapKind {
  bool networked = false;  // a look-up may wait for somebody else
  bool pattern = false;    // only whole addresses are asked
  bool built_in = false;   // this build has the type; else every look-up fails
};

// Of `type:name`.  A union or a pipe is networked if one of its members is, and of patterns as its
// members are.
[[nodiscard]] MapKind kind_of(std::string_view table);

}  // namespace qv

#endif  // QV_MAPS_MAP_KIND_H_
