// SPDX-License-Identifier: 0BSD
// maps/registry.h - the lookup-table types of this build, collected by the Makefile.
//
// A type that needs the client library of a database is a loadable module: a shared object
// NAME.so, opened when a table of that type is named, so that no program loads what it does not
// use.  It has its own copy of what it uses of this tree, gives nothing away but qv_map_module, and
// stays loaded.
#ifndef QV_MAPS_REGISTRY_H_
#define QV_MAPS_REGISTRY_H_

#include <span>
#include <string_view>

#include "maps/map.h"

namespace qv {

// Those that every program has, in alphabetical order.
[[nodiscard]] std::span<const MapType* const> built_in_types();

// The names of those that are modules, in alphabetical order.
[[nodiscard]] std::span<const std::string_view> loadable_types();

// Version of this tree and checksum of the headers that programs and modules share.
extern const char kMapInterface[];

// The directory that `make install` puts modules in.
extern const char kMapModules[];

// What a module says of itself, as the symbol `qv_map_module`.  `interface` stays the first member
// in all versions, so that others can be told.
struct MapModule {
  const char* interface;
  const MapType* type;
};
inline constexpr char kMapModuleSymbol[] = "qv_map_module";

// What every module's type is, known without loading it.
inline constexpr Traits kLoadableTraits{.networked = true};

}  // namespace qv

#endif  // QV_MAPS_REGISTRY_H_
