// SPDX-License-Identifier: 0BSD
// qmail-virtual - delivers mail to virtual mailboxes: maildir and mbox, by table look-ups.
// Manual: qmail-virtual(8).
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"
#include "deliver/agent.h"
#include "deliver/command.h"
#include "deliver/lookup.h"
#include "deliver/settings.h"
#include "process/program.h"

namespace {

using namespace qv;

constexpr std::string_view kName = "qmail-virtual";
constexpr std::string_view kUsage =
    "       qmail-virtual [-f SENDER] [-d ORIGINAL] [--] [RECIPIENT]...\n"
    "       qmail-virtual --lmtp | --daemon\n";

// --lmtp and --daemon run qmail-lmtpd, which lies beside this program and takes the same options.
// False: there is neither.  True: it cannot be run, and a line has said why.
bool run_lmtpd(int argc, char** argv) {
  std::vector<char*> words = {argv[0]};
  static char inetd[] = "--inetd";
  bool is_asked = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.empty() || word.front() != '-' || word == "--") break;
    const bool is_lmtp = word == "--lmtp";
    is_asked = is_asked || is_lmtp || word == "--daemon";
    if (is_lmtp) words.push_back(inetd);
    if (!is_lmtp && word != "--daemon") words.push_back(argv[i]);
    if ((word == "-o" || word == "-f" || word == "-d") && i + 1 < argc) words.push_back(argv[++i]);
  }
  if (!is_asked) return false;
  words.push_back(nullptr);
  char self[4096];
  const ssize_t size = readlink("/proc/self/exe", self, sizeof self);
  const std::string own = size > 0 ? std::string(self, static_cast<std::size_t>(size)) : argv[0];
  const std::string path =
      std::string(first_bytes(own, find_last_byte(own, '/') + 1)) + "qmail-lmtpd";
  execv(path.c_str(), words.data());
  process::say_problems(kName, {{path, 0, std::string("cannot be run: ") + strerror(errno)}});
  return true;
}

// A configuration error is a temporary failure to the caller.  The status code comes first, because
// Postfix's pipe(8) would treat a bare exit code of 111 as a refusal.
int misconfigured(const process::CommandLine& /*line*/) {
  static_cast<void>(write_all(1, "4.3.5 mail system is misconfigured\n"));
  return kExitTemporary;
}

int fail(const process::CommandLine& line, const std::vector<control::Problem>& problems) {
  static_cast<void>(misconfigured(line));
  process::say_problems(kName, problems);
  return kExitTemporary;
}

int deliver_one(const process::CommandLine& line, const deliver::DeliverSettings& settings) {
  deliver::hold_log();
  deliver::CommandEnvelope given{
      line.value("f"), line.value("d"), {line.rest.begin(), line.rest.end()}};
  std::string problem;
  const std::optional<std::vector<deliver::Envelope>> envelopes =
      deliver::envelopes_of(given, settings.recipient_words, control::from_environment, problem);
  if (!envelopes) return fail(line, {{"envelope", 0, problem}});
  deliver::Agent agent(settings, deliver::host_name());
  return deliver::deliver_command(agent, *envelopes, 0);
}

}  // namespace

int main(int argc, char** argv) {
  // Exceeding the file size limit must be an error of write(2), not a signal.
  signal(SIGXFSZ, SIG_IGN);
  // A SIGUSR1 to all processes of this name is meant for daemons and must not end a delivery.
  signal(SIGUSR1, SIG_IGN);
  if (run_lmtpd(argc, argv)) return kExitTemporary;
  std::string qmailhome;
  deliver::DeliverSettings deliver;
  process::Program program{.name = kName, .usage = kUsage, .manuals = "qmail-virtual(8)"};
  program.letters = "f:d:";
  program.accepts = [](const auto&) { return true; };
  program.settings = [&](const auto&) {
    std::vector<control::Setting> rows = {{"qmailhome", control::setting::path(qmailhome),
                                           QV_QMAILHOME, "qmail's directory, with control/ in it",
                                           "", control::kOfProcess}};
    return deliver::deliver_settings(deliver, std::move(rows));
  };
  program.check = [&](const auto&, const auto& settings, auto& problems) {
    deliver::check_tables(deliver, settings, problems);
  };
  program.run = [&](const auto& line, const auto&) { return deliver_one(line, deliver); };
  program.misused = misconfigured;
  return process::run_program(program, argc, argv);
}
