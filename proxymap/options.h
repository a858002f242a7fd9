// SPDX-License-Identifier: 0BSD
// proxymap/options.h - what an operator can set of qmail-proxymap, read once at start.
//
// Manual: qmail-proxymap(8), ENVIRONMENT.  Tests: tests/proxymap/options_test.cc
#ifndef QV_PROXYMAP_OPTIONS_H_
#define QV_PROXYMAP_OPTIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "control/settings.h"
#include "event/stream_server.h"
#include "process/pool.h"

namespace qv::proxymap {

struct Options {
  std::string qmailhome;
  std::vector<std::string> listen;  // as written; at least one
  mode_t socket_mode = 0666;
  std::string socket_group;  // empty: as the system makes it
  std::string account;
  std::size_t max_message = 0;
  std::int64_t max_idle_us = 0;
  StreamServerLimits server;
  process::PoolSettings pool;
};

// The table for --help.
[[nodiscard]] std::span<const Setting> proxymap_settings();

// What it makes of the environment; `writes`: the read-write service, which listens elsewhere.
[[nodiscard]] Options read_options(const Settings::Source& source, bool writes,
                                   std::vector<Problem>& problems);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_OPTIONS_H_
