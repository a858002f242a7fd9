// SPDX-License-Identifier: 0BSD
// qmail-lmtpd - delivers mail to virtual mailboxes, as an LMTP daemon.  Manual: qmail-lmtpd(8).
#include <signal.h>
#include <stdio.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"
#include "control/settings.h"
#include "core/exit_code.h"
#include "deliver/settings.h"
#include "deliver/tables.h"
#include "lmtp/process.h"

namespace {

using Overrides = std::map<std::string, std::string, std::less<>>;

int usage(FILE* out, int exit_code) {
  fprintf(out,
          "usage: qmail-lmtpd [-o NAME=VALUE]...                 serve LMTP, in the foreground\n"
          "       qmail-lmtpd [-o NAME=VALUE]... --inetd         one client, on standard input and "
          "output\n"
          "       qmail-lmtpd [-o NAME=VALUE]... --check-config  report every mistake\n"
          "       qmail-lmtpd --help | --version\n\n"
          "control files, and -o:\n%s\nenvironment:\n%s\n"
          "manual: qmail-lmtpd(8), qmail-virtual(8)\n",
          qv::describe(qv::deliver_setting_table()).c_str(),
          qv::describe(qv::lmtp::environment_table()).c_str());
  return exit_code;
}

// The settings, every mistake in them said; nullopt where there is one.
std::optional<qv::DeliverSettings> read_settings(const std::string& home,
                                                 const Overrides& overrides, bool checks_tables) {
  std::vector<qv::Problem> problems;
  qv::DeliverSettings settings = qv::read_deliver_settings(home, overrides, problems);
  if (checks_tables) qv::check_tables(settings, problems);
  for (const qv::Problem& problem : problems) {
    fprintf(stderr, "qmail-lmtpd: %s\n", to_string(problem).c_str());
  }
  if (!problems.empty()) return std::nullopt;
  return settings;
}

int serve(const Overrides& overrides, std::string_view option) {
  std::vector<qv::Problem> problems;
  const qv::Settings environment(qv::lmtp::environment_table(), qv::from_environment, problems);
  const std::string& home = environment.text("QMAILHOME");
  if (option == "--check-config") {
    return read_settings(home, overrides, true) ? qv::kExitOk : qv::kExitTemporary;
  }
  const auto way = option.empty() ? qv::lmtp::Way::sockets : qv::lmtp::Way::standard_streams;
  return qv::lmtp::run_service("qmail-lmtpd", way, environment,
                               [&] { return read_settings(home, overrides, false); });
}

}  // namespace

int main(int argc, char** argv) {
  // A file size limit is an error of write(2), with an answer of its own.
  signal(SIGXFSZ, SIG_IGN);
  Overrides overrides;
  int next = 1;
  for (; next + 1 < argc && std::string_view(argv[next]) == "-o"; next += 2) {
    if (!qv::parse_override(argv[next + 1], overrides)) return usage(stderr, qv::kExitPermanent);
  }
  if (next == argc) return serve(overrides, {});
  const std::string_view option = argv[next];
  if (next + 1 != argc) return usage(stderr, qv::kExitPermanent);
  if (option == "--inetd" || option == "--check-config") return serve(overrides, option);
  if (option == "--help") return usage(stdout, qv::kExitOk);
  if (option == "--version") {
    puts("qmail-lmtpd " QV_VERSION);
    return qv::kExitOk;
  }
  return usage(stderr, qv::kExitPermanent);
}
