// SPDX-License-Identifier: 0BSD
// maps/open.h - from `type:name` to a table, for tools and for daemons.
//
// For a tool, a table that cannot be opened is an Error: open_map().  A daemon goes on without it,
// is undecided wherever it is asked, and uses it as soon as it is there: open_watched_map().
//
// An empty table is mostly a mistake: an address table that is a file and holds no entry would
// refuse everybody.  With MapOptions::refuse_empty it answers Fault::config instead.
//
// Threads: none.  Manual: qmail-map(5).  Tests: tests/maps/open_test.cc
#ifndef QV_MAPS_OPEN_H_
#define QV_MAPS_OPEN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/map.h"

namespace qv::maps {

// The type of that name, loaded where it is a module; nullptr, and the reason in `why`, where this
// build has none or its module is missing or of another version.
[[nodiscard]] const MapType* find_map_type(std::string_view name, std::string* why = nullptr);

// The traits of the type of that name, without loading anything; nullopt: there is none.
[[nodiscard]] std::optional<Traits> traits_of(std::string_view name);

// The kind of a table, from its name alone, before anything is opened.
struct MapKind {
  bool networked = false;  // a look-up may wait for another process
  bool pattern = false;    // look only whole addresses up
  bool built_in = false;   // this build has the type; else every look-up fails
};

// Of `type:name`.  A union or a pipe is networked if one of its members is; a union is a pattern if
// one of them is, a pipe if its first one is.
[[nodiscard]] MapKind kind_of(std::string_view table);

// The stream address of qmail-proxymap: PROXYMAP (PROXYWRITE where `for_update`) of the
// environment, unix:/path or inet:addr:port; else the socket that it listens on by default,
// unix:$QMAILHOME/proxymap/proxymap (or proxywrite).
[[nodiscard]] std::string proxy_address(bool for_update);

// True, and `table` loses its "proxy:", for a table behind the proxy.
[[nodiscard]] bool is_proxied(std::string_view& table);

// The names of all types, separated by one space.
[[nodiscard]] std::string map_type_names();

// Opens `type:name`.  Errors: no such syntax, no such type (config, `detail` names the types
// there are), a module that is missing or of another version (config, `detail` names the file),
// for_update with a type that cannot write (denied), and those of the type.  On success `detail`
// holds warnings, mostly none.
[[nodiscard]] Result<std::unique_ptr<Map>> open_map(std::string_view text,
                                                    const MapOptions& options, std::string& detail);

// A table whose every look-up fails with `error`; detail() gives `reason`.
[[nodiscard]] std::unique_ptr<Map> make_fail_map(const Error& error, std::string reason);

// Called with a line for the operator, without a newline: a table that cannot be opened, a new
// version that cannot be used, a table that is back, an empty table, a warning.  Called once per
// change, not once per look-up.
using MapNotice = std::function<void(std::string_view)>;

// Microseconds of a monotonic clock; empty: core/clock.h.
using MapClock = std::function<std::int64_t()>;

// A table that follows its files.  At most once a second a look-up checks whether one of them has
// changed or has been replaced; the old table serves until the new one has been opened and is
// whole. A table that is the file itself (a cdb) is undecided while that is written to in place,
// until it is whole again.  A table that cannot be opened answers with the Error, and is tried
// again at most once a second.  Never null.
[[nodiscard]] std::unique_ptr<Map> open_watched_map(std::string_view text,
                                                    const MapOptions& options, MapNotice notice,
                                                    MapClock clock = {});

}  // namespace qv::maps

#endif  // QV_MAPS_OPEN_H_
