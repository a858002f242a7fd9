// SPDX-License-Identifier: 0BSD
// probe/options.h - the settings of qmail-probe, and what main runs with them: the daemon, and the
// commands for its cache.
//
// Manual: qmail-probe(8), SETTINGS.  Tests: tests/probe/options_test.cc
#ifndef QV_PROBE_OPTIONS_H_
#define QV_PROBE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/settings.h"
#include "event/stream_server.h"
#include "probe/limits.h"
#include "probe/service.h"
#include "process/options.h"

namespace qv::probe {

struct ProbeOptions : process::ProcessOptions {
  std::string lmdb_path;  // the file itself; empty: a cache in memory
  std::string redis;      // HOST:PORT or /PATH of a shared cache; empty: none
  std::size_t cache_entries = 0;
  std::int64_t cleanup_interval_s = 0;
  ServiceSettings service;
  ProbeLimits limits;
  std::string sender;      // empty: <>
  std::string hello_name;  // empty: control/me
  std::set<std::uint16_t> own_ports;
  std::string resolv_conf;
  event::StreamServerLimits server;
};

// The rows that fill `options`, which must outlive them.
[[nodiscard]] std::vector<control::Setting> probe_settings(ProbeOptions& options);

// "/x.lmdb" for the tables "lmdb:/x" and "lmdb:/x.lmdb".  nullopt: not lmdb, or not absolute.
[[nodiscard]] std::optional<std::string> lmdb_file_of(std::string_view table);

// process.cc: runs the daemon until it is ended; the exit code.  `settings`: the sources of
// `options`.
[[nodiscard]] int run_probe_daemon(const ProbeOptions& options, const control::Settings& settings);

// --check-config: the control files that are no settings.
void check_probe_config(const ProbeOptions& options, const control::Settings& settings,
                        std::vector<control::Problem>& problems);

// tools.cc: runs a command with its arguments: list, show, purge, export, import.  Prints on
// standard output, errors on standard error.  Asks the daemon over its socket; if none answers, it
// opens the LMDB file itself.  Returns the exit code: 0 done; 100 show found nothing, or wrong
// usage; 111 cannot do it now.
[[nodiscard]] int run_probe_tool(std::span<char* const> words, const ProbeOptions& options);

// The uses of the commands, for --help.
[[nodiscard]] const char* probe_tool_usage();

}  // namespace qv::probe

#endif  // QV_PROBE_OPTIONS_H_
