// SPDX-License-Identifier: 0BSD
// qmail-verify - the daemon that says whether a recipient exists.  Manual: qmail-verify(8).
#include "event/libevent_loop.h"
#include "process/program.h"
#include "process/skeleton.h"
#include "verify/explain.h"
#include "verify/options.h"
#include "verify/process.h"

namespace {

constexpr std::string_view kUsage =
    "       qmail-verify                       answer queries, in the foreground\n"
    "       qmail-verify --explain ADDRESS...  say why an address is valid or not\n";

int run(const qv::CommandLine& line, const qv::Options& options, const qv::Settings& settings) {
  qv::LibeventLoop loop;
  if (line.has("explain")) {
    qv::Explain explain(loop, options, settings, line.rest);
    return qv::run_daemon("qmail-verify", explain);
  }
  qv::VerifyDaemon daemon(loop, options, settings);
  return qv::run_daemon("qmail-verify", daemon);
}

}  // namespace

int main(int argc, char** argv) {
  qv::Options options;
  qv::Program program{.name = "qmail-verify", .usage = kUsage, .manuals = "qmail-verify(8)"};
  program.words = {"explain"};
  program.last = "explain";
  program.accepts = [](const auto& line) { return line.has("explain") != line.rest.empty(); };
  program.settings = [&](const auto&) { return qv::verify_settings(options); };
  program.check = [&](const auto&, const auto& settings, auto& problems) {
    qv::check_config(options, settings, problems);
  };
  program.run = [&](const auto& line, const auto& settings) {
    return run(line, options, settings);
  };
  return qv::run_program(program, argc, argv);
}
