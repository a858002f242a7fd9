// SPDX-License-Identifier: 0BSD
// qmail-verify - the daemon that says whether a recipient exists.  Manual: qmail-verify(8).
#include <stdio.h>

#include <cstring>
#include <span>
#include <string>

#include "core/exit_code.h"
#include "event/libevent_loop.h"
#include "process/skeleton.h"
#include "verify/explain.h"
#include "verify/options.h"
#include "verify/process.h"

namespace {

int usage(FILE* out, int exit_code) {
  fprintf(out,
          "usage: qmail-verify                          answer queries, in the foreground\n"
          "       qmail-verify --explain ADDRESS...     say why an address is valid or not\n"
          "       qmail-verify --check-config           report every mistake in the settings\n"
          "       qmail-verify --help | --version\n\n"
          "settings, from the environment [default]:\n%s\n"
          "manual: qmail-verify(8)\n",
          qv::describe(qv::verify_settings()).c_str());
  return exit_code;
}

int serve() {
  qv::LibeventLoop loop;
  qv::VerifyDaemon daemon(loop);
  return qv::run_daemon("qmail-verify", daemon, loop);
}

int explain(std::span<char* const> addresses) {
  if (addresses.empty()) return usage(stderr, qv::kExitPermanent);
  qv::LibeventLoop loop;
  qv::Explain run(loop, addresses);
  const int started = qv::run_daemon("qmail-verify", run, loop);
  return started == qv::kExitOk ? run.exit_code() : started;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) return serve();
  const std::string option = argv[1];
  if (option == "--explain") return explain({argv + 2, static_cast<std::size_t>(argc - 2)});
  if (argc > 2) return usage(stderr, qv::kExitPermanent);
  if (option == "--check-config") return qv::check_config();
  if (option == "--help") return usage(stdout, qv::kExitOk);
  if (option == "--version") {
    puts("qmail-verify " QV_VERSION);
    return qv::kExitOk;
  }
  return usage(stderr, qv::kExitPermanent);
}
