// SPDX-License-Identifier: 0BSD
// qmail-virtual - delivers mail to virtual mailboxes: maildir and mbox, by table look-ups.
// Manual: qmail-virtual(8).
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/lines.h"
#include "control/settings.h"
#include "core/exit_code.h"
#include "core/file.h"
#include "core/text.h"
#include "deliver/agent.h"
#include "deliver/command.h"
#include "deliver/settings.h"
#include "deliver/tables.h"

namespace {

using namespace qv;

enum class Way { command, lmtp, daemon, check_config, help, version, wrong };

struct Options {
  Way way = Way::command;
  CommandEnvelope envelope;
  std::map<std::string, std::string, std::less<>> overrides;
};

constexpr Setting kEnvironment[] = {
    {.name = "QMAILHOME", .fallback = QV_QMAILHOME, .help = "directory that holds control/"},
};

constexpr const char* kUsage =
    "usage: qmail-virtual [-o NAME=VALUE]... [-f SENDER] [-d ORIGINAL] [--] [RECIPIENT]...\n"
    "       qmail-virtual [-o NAME=VALUE]... --lmtp | --daemon | --check-config\n"
    "       qmail-virtual --help | --version\n";

void complain(const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    static_cast<void>(write_all(2, "qmail-virtual: " + to_string(problem) + "\n"));
  }
}

Options parse(int argc, char** argv) {
  static const option kLong[] = {
      {"lmtp", no_argument, nullptr, 'L'},         {"daemon", no_argument, nullptr, 'D'},
      {"check-config", no_argument, nullptr, 'C'}, {"help", no_argument, nullptr, 'h'},
      {"version", no_argument, nullptr, 'V'},      {nullptr, 0, nullptr, 0}};
  Options options;
  for (;;) {
    // '+': the first recipient ends the options; an address may begin with '-' behind "--".
    switch (getopt_long(argc, argv, "+f:d:o:", kLong, nullptr)) {
      case 'f':
        options.envelope.sender = optarg;
        break;
      case 'd':
        options.envelope.original = optarg;
        break;
      case 'o':
        if (!parse_override(optarg, options.overrides)) options.way = Way::wrong;
        break;
      case 'L':
        options.way = Way::lmtp;
        break;
      case 'D':
        options.way = Way::daemon;
        break;
      case 'C':
        options.way = Way::check_config;
        break;
      case 'h':
        options.way = Way::help;
        break;
      case 'V':
        options.way = Way::version;
        break;
      case -1:
        for (int i = optind; i < argc; ++i) options.envelope.recipients.emplace_back(argv[i]);
        return options;
      default:
        options.way = Way::wrong;
        return options;
    }
  }
}

// Another program of ours, which lies beside this one.
std::string beside(const char* name, char** argv) {
  char self[4096];
  const ssize_t size = readlink("/proc/self/exe", self, sizeof self);
  const std::string path = size > 0 ? std::string(self, static_cast<std::size_t>(size)) : argv[0];
  return std::string(first_bytes(path, find_last_byte(path, '/') + 1)) + name;
}

// LMTP is the work of qmail-lmtpd.  Returns where that cannot be run.
int run_lmtpd(const Options& options, const char* way, char** argv) {
  const std::string path = beside("qmail-lmtpd", argv);
  std::vector<std::string> words = {"qmail-lmtpd"};
  for (const auto& [name, value] : options.overrides) {
    words.insert(words.end(), {"-o", name + "=" + value});
  }
  if (way != nullptr) words.emplace_back(way);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execv(path.c_str(), pointers.data());
  complain({{path, 0, std::string("cannot be run: ") + strerror(errno)}});
  return kExitTemporary;
}

int check_config(const Options& options, const std::string& home) {
  std::vector<Problem> problems;
  const DeliverSettings settings = read_deliver_settings(home, options.overrides, problems);
  check_tables(settings, problems);
  complain(problems);
  return problems.empty() ? kExitOk : kExitTemporary;
}

// What a mistake of the operator is to whoever runs us for one message: try later.  The code comes
// first, because Postfix's pipe(8) would take an exit code of 111 for a refusal.
int misconfigured() {
  static_cast<void>(write_all(1, "4.3.5 mail system is misconfigured\n"));
  return kExitTemporary;
}

int deliver_one(const Options& options, const std::string& home) {
  hold_log();
  std::vector<Problem> problems;
  const DeliverSettings settings = read_deliver_settings(home, options.overrides, problems);
  std::string problem;
  const std::optional<std::vector<Envelope>> envelopes =
      envelopes_of(options.envelope, settings.recipient_words, from_environment, problem);
  if (!envelopes) problems.push_back({"envelope", 0, problem});
  if (!problems.empty()) {
    const int code = misconfigured();
    complain(problems);
    return code;
  }
  Agent agent(settings, host_name());
  return deliver_command(agent, *envelopes, 0);
}

int help() {
  const std::string text = std::string(kUsage) + "\nControl files, and -o:\n" +
                           describe(deliver_setting_table()) + "\nEnvironment:\n" +
                           describe(kEnvironment);
  return write_all(1, text).ok() ? kExitOk : kExitTemporary;
}

}  // namespace

int main(int argc, char** argv) {
  // A file size limit is an error of write(2), with an answer of its own.
  signal(SIGXFSZ, SIG_IGN);
  // Meant for the LMTP service, which takes it later: everybody else of this name passes it over,
  // children included.
  signal(SIGUSR1, SIG_IGN);
  const Options options = parse(argc, argv);
  std::vector<Problem> problems;
  const Settings environment(kEnvironment, from_environment, problems);
  const std::string& home = environment.text("QMAILHOME");
  switch (options.way) {
    case Way::command:
      return deliver_one(options, home);
    case Way::lmtp:
      return run_lmtpd(options, "--inetd", argv);
    case Way::daemon:
      return run_lmtpd(options, nullptr, argv);
    case Way::check_config:
      return check_config(options, home);
    case Way::help:
      return help();
    case Way::version:
      return printf("qmail-virtual %s\n", QV_VERSION) > 0 ? kExitOk : kExitTemporary;
    case Way::wrong: {
      const int code = misconfigured();
      static_cast<void>(write_all(2, kUsage));
      return code;
    }
  }
  return kExitTemporary;
}
