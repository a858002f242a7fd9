// SPDX-License-Identifier: 0BSD
// qmail-lmtpd - delivers mail to virtual mailboxes, as an LMTP daemon.  Manual: qmail-lmtpd(8).
#include <signal.h>

#include "deliver/lookup.h"
#include "event/libevent_loop.h"
#include "lmtp/process.h"
#include "process/program.h"

namespace {

constexpr std::string_view kUsage =
    "       qmail-lmtpd          serve LMTP, in the foreground\n"
    "       qmail-lmtpd --inetd  one client, on standard input and output\n";

}  // namespace

int main(int argc, char** argv) {
  // Exceeding the file size limit must be an error of write(2), not a signal.
  signal(SIGXFSZ, SIG_IGN);
  qv::lmtp::Options options;
  qv::process::Program program{
      .name = "qmail-lmtpd", .usage = kUsage, .manuals = "qmail-lmtpd(8), qmail-virtual(8)"};
  program.words = {"inetd"};
  program.settings = [&](const auto&) { return qv::lmtp::lmtp_settings(options); };
  program.check = [&](const auto&, const auto& settings, auto& problems) {
    if (!qv::process::check_process_options("qmail-lmtpd", options, settings, problems)) return;
    qv::deliver::check_tables(options.deliver, settings, problems);
  };
  program.run = [&](const auto& line, const auto& settings) {
    using qv::lmtp::Endpoint;
    const Endpoint endpoint = line.has("inetd") ? Endpoint::standard_streams : Endpoint::sockets;
    qv::event::LibeventLoop loop;
    qv::lmtp::LmtpDaemon daemon(loop, options, settings, endpoint, line.sources);
    return qv::process::run_daemon("qmail-lmtpd", daemon);
  };
  return qv::process::run_program(program, argc, argv);
}
