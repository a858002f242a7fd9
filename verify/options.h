// SPDX-License-Identifier: 0BSD
// verify/options.h - what an operator can set of qmail-verify, read once at start, and what main
// runs with it.
//
// Manual: qmail-verify(8), SETTINGS.  Tests: tests/verify/next_hops_test.cc, tests/e2e/daemon.py
#ifndef QV_VERIFY_OPTIONS_H_
#define QV_VERIFY_OPTIONS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "control/settings.h"
#include "process/options.h"
#include "rcpt/decide.h"
#include "verify/next_hops.h"

namespace qv::verify {

// The answer to a legacy client, which has no word for "undecided".
enum class LegacyTemp : std::uint8_t { ok, nok, silent };

// Which decisions are logged; `reject`: all but the valid ones.
enum class LogWhat : std::uint8_t { all, reject, none };

struct Options : process::ProcessOptions {
  LegacyTemp legacytemp = LegacyTemp::ok;
  LogWhat log = LogWhat::all;
  std::int64_t cache_ttl_us = 0;
  std::int64_t look_timeout_us = 0;
  std::uint32_t helpers = 0;
  std::string fastforward_cdb;  // empty: none
  std::string proxymap;         // where qmail-proxymap listens
  rcpt::DotqmailPolicy dotqmail;
  NextHopSettings next_hops;
};

// The rows that fill `options`, which must outlive them.
[[nodiscard]] std::vector<control::Setting> verify_settings(Options& options);

// --check-config: reads all files and opens all tables as the daemon would.
void check_config(const Options& options, const control::Settings& settings,
                  std::vector<control::Problem>& problems);

// process.cc: answers queries until SIGTERM; the exit code.  REQUIRES: all outlive the call.
[[nodiscard]] int serve(const Options& options, const control::Settings& settings);

// Decides each address as the daemon would, by the same code and with the same rights, and prints
// each step on standard output.  The exit code is 0 if all are valid, 100 if one is not, 111 if one
// is undecided or the agents are lost.
[[nodiscard]] int explain(const Options& options, const control::Settings& settings,
                          std::span<char* const> addresses);

}  // namespace qv::verify

#endif  // QV_VERIFY_OPTIONS_H_
