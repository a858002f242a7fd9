// SPDX-License-Identifier: 0BSD
// probe/options.h - what an operator can set of qmail-probe.
//
// A setting comes from the environment, else from the control file of its name (those in lower
// case), else it has its default.  Manual: qmail-probe(8).  Tests: tests/probe/options_test.cc
#ifndef QV_PROBE_OPTIONS_H_
#define QV_PROBE_OPTIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/settings.h"
#include "event/stream_server.h"
#include "probe/limits.h"
#include "probe/service.h"

namespace qv {

struct ProbeOptions {
  std::string qmailhome;
  std::vector<std::string> listen;  // as written; at least one
  mode_t socket_mode = 0666;
  std::string socket_group;  // empty: none
  std::string account;
  std::string lmdb_path;  // the file itself; empty: memory only
  std::string redis;      // HOST:PORT or /PATH of a shared cache; empty: none
  std::size_t cache_entries = 0;
  std::int64_t cleanup_interval_s = 0;
  ServiceSettings service;
  ProbeLimits limits;
  std::string sender;      // empty: <>
  std::string hello_name;  // empty: control/me
  std::set<std::uint16_t> own_ports;
  std::string resolv_conf;
  StreamServerLimits server;
};

// The table for --help, and what is made of the values.
[[nodiscard]] std::span<const Setting> probe_settings();
[[nodiscard]] ProbeOptions read_probe_options(const Settings::Source& source,
                                              std::vector<Problem>& problems);

// The environment, then QMAILHOME/control/NAME for names in lower case: its first line.
[[nodiscard]] std::optional<std::string> from_environment_or_control(std::string_view name);

// "lmdb:/x" is the file /x.lmdb, and "lmdb:/x.lmdb" too.  nullopt: not lmdb, or not absolute.
[[nodiscard]] std::optional<std::string> lmdb_file_of(std::string_view table);

}  // namespace qv

#endif  // QV_PROBE_OPTIONS_H_
