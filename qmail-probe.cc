// SPDX-License-Identifier: 0BSD
// qmail-probe - asks next hops about recipients and caches the answers.  Manual: qmail-probe(8).
#include "probe/options.h"
#include "process/program.h"

int main(int argc, char** argv) {
  qv::probe::ProbeOptions options;
  const std::string usage =
      std::string(
          "       qmail-probe                           answer queries, in the foreground\n") +
      qv::probe::probe_tool_usage();
  qv::process::Program program{
      .name = "qmail-probe", .usage = usage, .manuals = "qmail-probe(8), verifyprobe(5)"};
  program.accepts = [](const auto&) { return true; };
  program.settings = [&](const auto&) { return qv::probe::probe_settings(options); };
  program.check = [&](const auto&, const auto& settings, auto& problems) {
    qv::probe::check_probe_config(options, settings, problems);
  };
  program.run = [&](const auto& line, const auto& settings) {
    if (!line.rest.empty()) return qv::probe::run_probe_tool(line.rest, options);
    return qv::probe::run_probe_daemon(options, settings);
  };
  return qv::process::run_program(program, argc, argv);
}
