// SPDX-License-Identifier: 0BSD
// qmail-virtual - delivers mail to virtual mailboxes: maildir and mbox, by table look-ups.
// Manual: qmail-virtual(8).
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
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
#include "deliver/lmtp_daemon.h"
#include "deliver/lmtp_server.h"
#include "deliver/settings.h"
#include "deliver/tables.h"
#include "process/jail.h"
#include "process/skeleton.h"

namespace {

using namespace qv;

enum class Way { command, lmtp, daemon, check_config, help, version, wrong };

struct Options {
  Way way = Way::command;
  CommandEnvelope envelope;
  std::map<std::string, std::string, std::less<>> overrides;
};

constexpr Setting kEnvironment[] = {
    {"QMAILHOME", SettingType::text, QV_QMAILHOME, 0, 0, {}, "directory that holds control/"},
    {"LISTEN", SettingType::text, "", 0, 0, {}, "--daemon: unix:/path, inet:address:port, ..."},
    {"VIRTUALUSER",
     SettingType::text,
     "qmaild",
     0,
     0,
     {},
     "account that talks to LMTP clients when started by root, or :UID:GID"},
    {"LISTENMODE", SettingType::text, "0660", 0, 0, {}, "mode of Unix sockets, octal"},
    {"LISTENGROUP", SettingType::text, "", 0, 0, {}, "group of Unix sockets, name or number"},
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

// The host of unique names and of LMTP greetings.
std::string host_name() {
  utsname names{};
  if (uname(&names) != 0 || names.nodename[0] == '\0') return "localhost";
  return names.nodename;
}

// nullopt where something is wrong, which is then said.
std::optional<DeliverSettings> settings_for(const Options& options, const std::string& home) {
  std::vector<Problem> problems;
  DeliverSettings settings = read_deliver_settings(home, options.overrides, problems);
  if (problems.empty()) return settings;
  complain(problems);
  return std::nullopt;
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

// Whom root becomes to talk to LMTP clients; nullopt, and a line that says why, where that is
// nobody.
std::optional<Account> account_for(const Settings& environment) {
  std::string detail;
  const Result<Account> account =
      account_to_become("VIRTUALUSER", environment.text("VIRTUALUSER"), detail);
  if (account.ok()) return account.value();
  say_fatal("qmail-virtual", detail, account.error());
  return std::nullopt;
}

int serve_one(const Options& options, const Settings& environment, const std::string& home) {
  const std::optional<DeliverSettings> settings = settings_for(options, home);
  if (!settings) return kExitTemporary;
  const std::optional<Account> account = account_for(environment);
  if (!account) return kExitTemporary;
  signal(SIGPIPE, SIG_IGN);
  return serve_lmtp({}, host_name(), *account, *settings);
}

bool parse_mode(std::string_view text, mode_t& mode) {
  if (text.empty() || text.size() > 4) return false;
  mode = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return false;
    mode = mode * 8 + static_cast<mode_t>(c - '0');
  }
  return mode <= 0777;
}

bool parse_group(const std::string& text, gid_t& group) {
  std::uint64_t number = 0;
  if (text.empty()) return true;
  if (parse_decimal(text, 4294967294u, number)) {
    group = static_cast<gid_t>(number);
    return true;
  }
  const struct group* entry = getgrnam(text.c_str());
  if (entry == nullptr) return false;
  group = entry->gr_gid;
  return true;
}

std::vector<Fd> open_listeners(const Settings& environment, std::vector<Problem>& problems) {
  ListenOptions options;
  if (!parse_mode(environment.text("LISTENMODE"), options.mode)) {
    problems.push_back({"LISTENMODE", 0, "is no octal mode such as 0660"});
  }
  if (!parse_group(environment.text("LISTENGROUP"), options.group)) {
    problems.push_back({"LISTENGROUP", 0, "there is no such group"});
  }
  std::vector<Fd> listeners;
  std::string_view rest = environment.text("LISTEN");
  while (problems.empty() && !rest.empty()) {
    const std::string_view address = take_until(rest, ' ');
    if (address.empty()) continue;
    std::string detail;
    Result<Fd> listener = open_listener(address, options, detail);
    if (listener.ok()) {
      listeners.push_back(std::move(listener).value());
      continue;
    }
    problems.push_back(
        {"LISTEN", 0,
         detail + ": " + listener.error().what + (listener.error().errnum == 0 ? "" : ": ") +
             (listener.error().errnum == 0 ? "" : strerror(listener.error().errnum))});
  }
  if (problems.empty() && listeners.empty()) {
    problems.push_back({"LISTEN", 0, "is not set: unix:/path or inet:address:port"});
  }
  return listeners;
}

int serve_many(const Options& options, const Settings& environment, const std::string& home) {
  if (!settings_for(options, home)) return kExitTemporary;
  const std::optional<Account> account = account_for(environment);
  if (!account) return kExitTemporary;
  std::vector<Problem> problems;
  const std::vector<Fd> listeners = open_listeners(environment, problems);
  complain(problems);
  if (!problems.empty()) return kExitTemporary;
  return run_lmtp_daemon(listeners, host_name(), *account,
                         [&options, &home] { return settings_for(options, home); });
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
  // Meant for the LMTP daemon, which takes it later: everybody else of this name passes it over,
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
      return serve_one(options, environment, home);
    case Way::daemon:
      return serve_many(options, environment, home);
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
