// SPDX-License-Identifier: 0BSD
// qmail-verify - the daemon that says whether a recipient exists.  Manual: qmail-verify(8).
#include "process/program.h"
#include "verify/options.h"

namespace {

constexpr std::string_view kUsage =
    "       qmail-verify                       answer queries, in the foreground\n"
    "       qmail-verify --explain ADDRESS...  say why an address is valid or not\n";

}  // namespace

int main(int argc, char** argv) {
  qv::verify::Options options;
  qv::process::Program program{
      .name = "qmail-verify", .usage = kUsage, .manuals = "qmail-verify(8)"};
  program.words = {"explain"};
  program.last = "explain";
  program.accepts = [](const auto& line) { return line.has("explain") != line.rest.empty(); };
  program.settings = [&](const auto&) { return qv::verify::verify_settings(options); };
  program.check = [&](const auto&, const auto& settings, auto& problems) {
    qv::verify::check_config(options, settings, problems);
  };
  program.run = [&](const auto& line, const auto& settings) {
    return line.has("explain") ? qv::verify::explain(options, settings, line.rest)
                               : qv::verify::serve(options, settings);
  };
  return qv::process::run_program(program, argc, argv);
}
