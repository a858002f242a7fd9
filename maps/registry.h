// SPDX-License-Identifier: 0BSD
// maps/registry.h - the lookup-table types this build has, collected by the Makefile.
#ifndef QV_MAPS_REGISTRY_H_
#define QV_MAPS_REGISTRY_H_

#include <span>
#include <string_view>

#include "maps/map.h"

namespace qv {

// In alphabetical order.
[[nodiscard]] std::span<const MapType* const> map_types();

// The names of types that the build has and this program was linked without (Makefile,
// qmail-virtual).
[[nodiscard]] std::span<const std::string_view> map_types_elsewhere();

}  // namespace qv

#endif  // QV_MAPS_REGISTRY_H_
