// SPDX-License-Identifier: 0BSD
// maps/registry.h - the lookup-table types of this build, collected by the Makefile.
//
// A type that needs the client library of a database is a module: a shared object NAME.so, loaded
// when a table of that type is named, so that no program loads a library that it does not use.  It
// has its own copy of the code that it shares with programs, exports nothing but qv_map_module, and
// stays loaded.
#ifndef QV_MAPS_REGISTRY_H_
#define QV_MAPS_REGISTRY_H_

#include <span>
#include <string_view>

#include "maps/map.h"

namespace qv::maps {

// The types that every program has, in alphabetical order.
[[nodiscard]] std::span<const MapType* const> built_in_types();

// The names of those that are modules, in alphabetical order.
[[nodiscard]] std::span<const std::string_view> loadable_types();

// Version of this tree and checksum of the headers that programs and modules share.
extern const char kMapInterface[];

// The directory that `make install` puts modules in.
extern const char kMapModules[];

// What a module exports as the symbol `qv_map_module`.  `interface` stays the first member in all
// versions, so that other versions can be recognised.
struct MapModule {
  const char* interface;
  const MapType* type;
};
inline constexpr char kMapModuleSymbol[] = "qv_map_module";

// The traits of every module's type, known without loading it.
inline constexpr Traits kLoadableTraits{.networked = true};

}  // namespace qv::maps

#endif  // QV_MAPS_REGISTRY_H_
