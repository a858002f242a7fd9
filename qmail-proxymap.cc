// SPDX-License-Identifier: 0BSD
// qmail-proxymap - many clients, few open tables.  Manual: qmail-proxymap(8).
#include "process/program.h"
#include "proxymap/process.h"

namespace {

constexpr std::string_view kUsage =
    "       qmail-proxymap                  answer look-ups, in the foreground\n"
    "       qmail-proxymap -w               the read-write service\n";

}  // namespace

int main(int argc, char** argv) {
  using namespace qv::proxymap;
  qv::proxymap::Options options;
  qv::process::Program program{
      .name = "qmail-proxymap", .usage = kUsage, .manuals = "qmail-proxymap(8)"};
  program.letters = "w";
  program.settings = [&](const auto& line) {
    return qv::proxymap::proxymap_settings(options, line.has("w"));
  };
  program.check = [&](const auto& line, const auto& settings, auto& problems) {
    qv::proxymap::check_config(options, line.has("w"), settings, problems);
  };
  program.run = [&](const auto& line, const auto& settings) {
    return qv::proxymap::run_proxymap(options, settings, line.has("w"));
  };
  return qv::process::run_program(program, argc, argv);
}
