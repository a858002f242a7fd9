// SPDX-License-Identifier: 0BSD
// qmail-proxymap - many clients, few open tables.  Manual: qmail-proxymap(8).
#include <stdio.h>

#include <string_view>

#include "core/exit_code.h"
#include "event/libevent_loop.h"
#include "process/skeleton.h"
#include "proxymap/options.h"
#include "proxymap/process.h"

namespace {

int usage(FILE* out, int exit_code) {
  fprintf(out,
          "usage: qmail-proxymap                      answer look-ups, in the foreground\n"
          "       qmail-proxymap -w                   the read-write service\n"
          "       qmail-proxymap [-w] --check-config  report every mistake in the settings\n"
          "       qmail-proxymap --help | --version\n\n"
          "settings, from the environment [default]:\n%s\n"
          "manual: qmail-proxymap(8)\n",
          qv::describe(qv::proxymap::proxymap_settings()).c_str());
  return exit_code;
}

int serve(bool writes) {
  qv::LibeventLoop loop;
  qv::proxymap::ProxymapDaemon daemon(loop, writes);
  return qv::run_daemon("qmail-proxymap", daemon, loop);
}

}  // namespace

int main(int argc, char** argv) {
  int next = 1;
  const bool writes = next < argc && std::string_view(argv[next]) == "-w";
  if (writes) ++next;
  if (next == argc) return serve(writes);
  const std::string_view option = argv[next];
  if (next + 1 != argc) return usage(stderr, qv::kExitPermanent);
  if (option == "--check-config") return qv::proxymap::check_config(writes);
  if (option == "--help") return usage(stdout, qv::kExitOk);
  if (option == "--version") {
    puts("qmail-proxymap " QV_VERSION);
    return qv::kExitOk;
  }
  return usage(stderr, qv::kExitPermanent);
}
