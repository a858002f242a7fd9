// SPDX-License-Identifier: 0BSD
// rcptcheck - asks whether recipients exist: by hand, for RCPTCHECK, and for qmail-spp.
// Manual: rcptcheck(1).
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "core/exit_code.h"
#include "core/json.h"
#include "core/text.h"
#include "verifyrcpt.h"

namespace {

using namespace qv;

constexpr char kUsage[] =
    "usage: rcptcheck [-s VERIFY-value] [-q] [-j] ADDRESS... | -\n"
    "  -s VALUE   the server, and how to ask it, as in VERIFY; default: $VERIFY, else \":\"\n"
    "  -q         print nothing, not even why no server answers: use the exit status\n"
    "  -j         print one JSON object per address\n"
    "  -          read addresses from standard input, one per line\n"
    "  --help, --version\n"
    "exit status: 0 all valid, 100 one is not valid, 111 one is undecided\n"
    "Without arguments: a program for RCPTCHECK (environment RECIPIENT) or for qmail-spp\n"
    "(environment SMTPRCPTTO).\n";

struct Question {
  std::string_view address, sender, helo;
};

std::string_view from_environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string_view() : value;
}

std::string escaped(std::string_view s) {
  std::string out(4 * s.size(), '\0');
  out.resize(escape(s, out.data(), out.size()));
  return out;
}

// ---- by hand -----------------------------------------------------------------------------------

enum class Output : std::uint8_t { table, json, none };

struct Options {
  std::string value;
  Output output = Output::table;
  std::span<char* const> addresses;  // "-": the lines of standard input
};

// Prints one table row, with the reply below it, or one JSON object, or nothing.
class Printer {
 public:
  Printer(Output output, std::size_t width) : output_(output), width_(static_cast<int>(width)) {
    if (output_ == Output::table) row("ADDRESS", "VERDICT", "WHY", "USER", "TIME");
  }

  void print(std::string_view address, const verifyrcpt_result& r) {
    if (output_ == Output::table) {
      row(escaped(address), verdict(r), r.why[0] == '\0' ? "-" : r.why,
          r.user[0] == '\0' ? "-" : escaped(r.user), std::to_string(r.micros) + " us");
      // Of any length, on a line of its own; verifyrcpt.h guarantees printable ASCII.
      if (r.reply[0] != '\0') printf("    %s\n", r.reply);
    } else if (output_ == Output::json) {
      printf("{\"address\":\"%s\",\"verdict\":\"%s\",\"why\":\"%s\",\"user\":\"%s\",",
             json(address).c_str(), verdict(r), json(r.why).c_str(), json(r.user).c_str());
      printf("\"server\":\"%s\",\"us\":%u,\"code\":%d,\"reply\":\"%s\"}\n", json(r.server).c_str(),
             r.micros, r.code, json(r.reply).c_str());
    }
  }

 private:
  static const char* verdict(const verifyrcpt_result& r) {
    if (r.verdict == VERIFYRCPT_VALID) return "valid";
    return r.verdict == VERIFYRCPT_NOT_VALID ? "not-valid" : "undecided";
  }

  static std::string json(std::string_view s) {
    std::string out(kMaxJsonEscape * s.size(), '\0');
    out.resize(escape_json(s, out.data(), out.size()));
    return out;
  }

  void row(const std::string& address, const char* verdict, const std::string& why,
           const std::string& user, const std::string& time) const {
    printf("%-*s  %-9s  %-14s  %-12s  %s\n", width_, address.c_str(), verdict, why.c_str(),
           user.c_str(), time.c_str());
  }

  Output output_;
  int width_;
};

// Asks about each address and records the worst verdict.
class Checker {
 public:
  Checker(const Options& options, std::size_t width)
      : options_(options), printer_(options.output, width) {}

  void check(std::string_view address) {
    const Answer answer = ask_with_retries(address);
    const verifyrcpt_result& result = answer.result;
    printer_.print(address, result);
    if (!answer.unanswered.empty()) explain(result, answer.unanswered.c_str());
    const bool certain =
        result.verdict == VERIFYRCPT_VALID || result.verdict == VERIFYRCPT_NOT_VALID;
    undecided_ = undecided_ || !certain;
    bad_ = bad_ || result.verdict == VERIFYRCPT_NOT_VALID;
  }

  [[nodiscard]] int exit_code() const {
    if (undecided_) return kExitTemporary;
    return bad_ ? kExitPermanent : kExitOk;
  }

 private:
  struct Answer {
    verifyrcpt_result result;
    std::string unanswered;  // why no server answered; empty: one did, or none was asked
  };

  // A session for each address, so that limits of a session (maxbad) do not apply.
  [[nodiscard]] Answer ask(std::string_view address) const {
    verifyrcpt session;
    Answer answer{};
    verifyrcpt_result& r = answer.result;
    verifyrcpt_init(&session, options_.value.data(), options_.value.size(), 0);
    verifyrcpt_fail_fast(&session);
    verifyrcpt_rcpt(&session, address.data(), address.size(), &r);
    char unanswered[VERIFYRCPT_LOG_SIZE];
    answer.unanswered.assign(unanswered,
                             verifyrcpt_unanswered(&session, unanswered, sizeof unanswered));
    verifyrcpt_result at_data;
    // With DEFER, the reply at DATA counts.
    if (r.code == 0 && verifyrcpt_data(&session, &at_data) != 0) {
      r.code = at_data.code;
      memcpy(r.reply, at_data.reply, sizeof r.reply);
    }
    verifyrcpt_close(&session);
    return answer;
  }

  // A restarting verifier is back within a second.  One that is not is waited for again only after
  // it has answered.
  Answer ask_with_retries(std::string_view address) {
    for (;;) {
      Answer answer = ask(address);
      const bool nobody_there =
          !answer.unanswered.empty() && strcmp(answer.result.why, "unreachable") == 0;
      if (!nobody_there) retries_ = kRetries;
      if (!nobody_there || retries_ == 0) return answer;
      --retries_;
      usleep(kRetryPause_us);
    }
  }

  // Explains on standard error why no server answered and what to do about it.  Each cause once: it
  // holds for all addresses that follow.  `servers`: the text of verifyrcpt_unanswered().
  void explain(const verifyrcpt_result& r, const char* servers) {
    const std::string_view why = r.why;
    if (options_.output == Output::none || !explained_.insert(r.why).second) return;
    fflush(stdout);  // the row first
    if (why == "unreachable") {
      dprintf(STDERR_FILENO,
              "rcptcheck: no server answers at %s: is qmail-verify running there?  "
              "rcptcheck -s ADDRESS:PORT asks another one\n",
              servers);
    } else if (why == "timeout") {
      dprintf(
          STDERR_FILENO,
          "rcptcheck: no answer in time from %s: is it a qmail-verify, do its replies get here, "
          "is it slow?  timeout=SECONDS in -s waits longer\n",
          servers);
    } else if (why == "legacy-reply") {
      // `legacy` is appended, because DEFER must stay in front.
      dprintf(STDERR_FILENO,
              "rcptcheck: %s answers in the form of qmail-verify before 2.0, without an id; such a "
              "reply can be forged and is not believed.  If an old qmail-verify runs there: "
              "rcptcheck -s \"%s,legacy\"\n",
              escaped(r.server).c_str(), escaped(options_.value).c_str());
    }
  }

  static constexpr int kRetries = 10;
  static constexpr useconds_t kRetryPause_us = 100'000;

  const Options& options_;
  Printer printer_;
  std::set<std::string> explained_;  // words of why
  int retries_ = kRetries;
  bool undecided_ = false;
  bool bad_ = false;
};

// False if standard input could not be read to its end.
bool check_lines(Checker& checker) {
  char* line = nullptr;
  std::size_t size = 0;
  ssize_t n = 0;
  while ((n = getline(&line, &size, stdin)) >= 0) {
    std::string_view address(line, static_cast<std::size_t>(n));
    if (ends_with(address, "\n")) address.remove_suffix(1);
    if (ends_with(address, "\r")) address.remove_suffix(1);
    if (!address.empty()) checker.check(address);
    fflush(stdout);  // a program that writes into a pipe waits for the answers
  }
  free(line);
  return ferror(stdin) == 0;
}

int check_by_hand(const Options& options) {
  verifyrcpt session;
  // An error of the caller is never "not valid".
  if (verifyrcpt_init(&session, options.value.data(), options.value.size(), 0) != VERIFYRCPT_ON) {
    fprintf(stderr, "rcptcheck: %s\n", verifyrcpt_reason(&session));
    return kExitTemporary;
  }
  std::size_t width = 7;
  for (const std::string_view a : options.addresses) {
    width = std::max<std::size_t>(width, a == "-" ? 32 : escaped(a).size());
  }
  // Of 100 columns, 46 are left for the address.
  Checker checker(options, std::min<std::size_t>(width, 46));
  bool read_all = true;
  for (const std::string_view address : options.addresses) {
    if (address == "-") {
      read_all = check_lines(checker) && read_all;
    } else {
      checker.check(address);
    }
  }
  if (!read_all || fflush(stdout) != 0 || ferror(stdout) != 0) {
    perror("rcptcheck");
    return kExitTemporary;
  }
  return checker.exit_code();
}

int usage_mistake() {
  fputs(kUsage, stderr);
  return kExitTemporary;
}

int main_by_hand(int argc, char** argv) {
  Options options;
  const std::string_view value = from_environment("VERIFY");
  options.value = value.empty() ? ":" : value;
  int c = 0;
  while ((c = getopt(argc, argv, "+s:qj")) != -1) {
    if (c == 's') options.value = optarg;
    if (c == 'q') options.output = Output::none;
    if (c == 'j') options.output = Output::json;
    if (c == '?') return usage_mistake();
  }
  options.addresses = {argv + optind, argv + argc};
  return options.addresses.empty() ? usage_mistake() : check_by_hand(options);
}

// ---- for an SMTP server ------------------------------------------------------------------------

// One line on standard error, in one write: other processes use the same log.
void log_line(const char* line) { dprintf(STDERR_FILENO, "rcptcheck: %s\n", line); }

// Asks about the one recipient of this process; VERIFYRCPT_NOT_ASKED with code 0 where VERIFY or
// RELAYCLIENT turns verification off.
verifyrcpt_result ask_for_server(const Question& question) {
  verifyrcpt session;
  verifyrcpt_result result{};
  verifyrcpt_init_env(&session);
  const char* reason = verifyrcpt_reason(&session);
  if (*reason != '\0') log_line(reason);
  verifyrcpt_helo(&session, question.helo.data(), question.helo.size());
  verifyrcpt_mail(&session, question.sender.data(), question.sender.size());
  const std::string_view address = question.address;
  verifyrcpt_rcpt(&session, address.data(), address.size(), &result);
  if (result.verdict != VERIFYRCPT_NOT_ASKED || result.code != 0) {
    char line[VERIFYRCPT_LOG_SIZE];
    verifyrcpt_log(&session, &result, address.data(), address.size(), line, sizeof line);
    log_line(line);
  }
  // With DEFER the reply of DATA is due now: the next process knows nothing of this recipient.
  if (result.code == 0) verifyrcpt_data(&session, &result);
  verifyrcpt_close(&session);
  if (result.delay > 0) sleep(result.delay);
  return result;
}

// RCPTCHECK: the exit status is the answer.  Descriptors 0 and 1 may be the SMTP connection and are
// not used.
int main_rcptcheck() {
  // An earlier check has accepted the recipient.
  if (!from_environment("RCPTFOUND").empty()) return kExitOk;
  const bool with_text = !from_environment("USE_FD4").empty() && fcntl(4, F_GETFD) >= 0;
  const verifyrcpt_result result = ask_for_server(
      {from_environment("RECIPIENT"), from_environment("SENDER"), from_environment("HELO")});
  if (with_text && result.code != 0) dprintf(4, "%s", result.reply);
  if (result.code == 0) return kExitOk;
  return result.code / 100 == 5 ? kExitPermanent : kExitTemporary;
}

// qmail-spp: one command per line on standard output; no output means "continue".
int main_spp() {
  // rcpthosts refuses it anyway.
  if (from_environment("SMTPRCPTHOSTSOK") == "0") return kExitOk;
  const verifyrcpt_result result =
      ask_for_server({from_environment("SMTPRCPTTO"), from_environment("SMTPMAILFROM"),
                      from_environment("SMTPHELOHOST")});
  if (result.code == 0) return kExitOk;
  const char* command = result.code == 421 ? "R" : result.code == 554 ? "LD" : "E";
  dprintf(STDOUT_FILENO, "%s%s\n", command, result.reply);
  return kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--help") == 0)
    return fputs(kUsage, stdout) < 0 ? kExitTemporary : kExitOk;
  if (argc == 2 && strcmp(argv[1], "--version") == 0)
    return puts("rcptcheck " QV_VERSION) < 0 ? kExitTemporary : kExitOk;
  if (argc > 1) return main_by_hand(argc, argv);
  // RECIPIENT is set only for the child, SMTPRCPTTO may stay in the server's own environment.
  if (getenv("RECIPIENT") != nullptr) return main_rcptcheck();
  if (getenv("SMTPRCPTTO") != nullptr) return main_spp();
  return usage_mistake();
}
