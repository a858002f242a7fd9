// SPDX-License-Identifier: 0BSD
// qmail-probe - the daemon that remembers what the next hop says.  Manual: qmail-probe(8).
#include <stdio.h>

#include <string_view>

#include "core/exit_code.h"
#include "event/libevent_loop.h"
#include "probe/options.h"
#include "probe/process.h"
#include "probe/tools.h"
#include "process/skeleton.h"

namespace {

int usage(FILE* out, int exit_code) {
  fprintf(out,
          "usage: qmail-probe                           answer queries, in the foreground\n"
          "%s"
          "       qmail-probe --check-config            report every mistake in the settings\n"
          "       qmail-probe --help | --version\n\n"
          "settings, from the environment or control/NAME [default]:\n%s\n"
          "manual: qmail-probe(8), verifyprobe(5)\n",
          qv::probe_tool_usage(), qv::describe(qv::probe_settings()).c_str());
  return exit_code;
}

int serve() {
  qv::LibeventLoop loop;
  qv::ProbeDaemon daemon(loop);
  return qv::run_daemon("qmail-probe", daemon, loop);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) return serve();
  const std::string_view word = argv[1];
  if (word.empty() || word.front() != '-') {
    return qv::run_probe_tool({argv + 1, static_cast<std::size_t>(argc - 1)});
  }
  if (argc > 2) return usage(stderr, qv::kExitPermanent);
  if (word == "--check-config") return qv::check_probe_config();
  if (word == "--help") return usage(stdout, qv::kExitOk);
  if (word == "--version") {
    puts("qmail-probe " QV_VERSION);
    return qv::kExitOk;
  }
  return usage(stderr, qv::kExitPermanent);
}
