// SPDX-License-Identifier: 0BSD
#include "verify/explain.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "core/exit_code.h"
#include "udpbits.h"

namespace qv {

namespace {

// Steps of one run.  A run that has to wait is run again from its beginning: only the last counts.
class Steps final : public Trail {
 public:
  void step(std::string_view sentence) override { steps_.emplace_back(sentence); }
  void print() const {
    for (const std::string& step : steps_) std::printf("  %s\n", step.c_str());
  }

 private:
  std::vector<std::string> steps_;
};

void print_problem(const Problem& problem) {
  std::fprintf(stderr, "qmail-verify: %s\n", to_string(problem).c_str());
}

std::string_view verdict_phrase(Verdict verdict) {
  switch (verdict) {
    case Verdict::accept:
      return "valid";
    case Verdict::reject:
      return "not valid";
    case Verdict::defer:
      return "cannot tell now";
  }
  return "cannot tell now";
}

// It may be started later, and is no mistake then.
void look_for_probe(const StreamAddress& address) {
  bool in_progress = false;
  const Result<Fd> fd = start_connect(address, in_progress);
  if (fd.ok()) return;
  std::fprintf(stderr,
               "qmail-verify: note: control/verifyprobe names domains, and nobody answers on %s: "
               "%s\n",
               address.text.c_str(), strerror(fd.error().errnum));
}

int exit_code_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::accept:
      return kExitOk;
    case Verdict::reject:
      return kExitPermanent;
    case Verdict::defer:
      return kExitTemporary;
  }
  return kExitTemporary;
}

}  // namespace

Result<void> Explain::post_jail(std::string& detail) {
  QV_TRY_VOID(VerifyProcess::post_jail(detail));
  TableSettings tables;
  tables.proxy = options_.proxymap;
  tables.proxy_time_us = options_.look_timeout_us;
  tables.notice = [](std::string_view line) {
    std::fprintf(stderr, "qmail-verify: %s\n", std::string(line).c_str());
  };
  lookups_.emplace(
      loop_, *pool_, options_.cache_ttl_us, PasswdPaths{},
      [this](std::uint32_t /*number*/) { decide(); }, tables, options_.next_hops);
  judge_.emplace(options_);
  std::vector<Problem> problems;
  judge_->refresh(loop_.now_us(), problems);
  for (const Problem& problem : problems) print_problem(problem);
  turn_ = loop_.after(0, [this] { next(); });
  return {};
}

void Explain::next() {
  if (at_ == addresses_.size()) {
    loop_.stop();
    return;
  }
  std::printf("%s\n", addresses_[at_]);
  asked_at_us_ = loop_.now_us();
  decide();
}

void Explain::decide() {
  Steps steps;
  lookups_->begin(asked_at_us_);
  const Decision decision = judge_->decide(addresses_[at_], *lookups_, &steps);
  if (decision.pending) {
    lookups_->park(0);
    return;
  }
  steps.print();
  report(decision);
  ++at_;
  turn_ = loop_.after(0, [this] { next(); });
}

void Explain::report(const Decision& decision) {
  const std::string user(decision.user.view());
  std::printf("  => %s (why=%s, position %d%s%s)\n",
              std::string(verdict_phrase(decision.verdict())).c_str(),
              std::string(why_word(decision.why)).c_str(), decision.position,
              user.empty() ? "" : ", user ", user.c_str());
  // 111 over 100 over 0: the least certain answer is the one to act on.
  const int code = exit_code_of(decision.verdict());
  if (code > exit_code_) exit_code_ = code;
}

int check_config() {
  std::vector<Problem> problems;
  const Options options = read_options(from_environment, problems);
  for (const std::string& text : options.listen) {
    if (listen_kind(text) == ListenKind::stream) {
      if (parse_stream_entry(text).ok()) continue;
      problems.push_back({"LISTEN", 0,
                          "\"" + text +
                              "\": behind the protocol stands unix:/PATH, "
                              "inet:IP:PORT or inet:[IPv6]:PORT"});
      continue;
    }
    if (!parse_endpoint(text, kVerifyPort).ok()) {
      problems.push_back({"LISTEN", 0, "\"" + text + "\" is not IP:PORT, [IPv6]:PORT, unix:/PATH"});
    }
  }
  std::string detail;
  if (!find_account(options.account, detail).ok()) {
    // Only root becomes somebody else, and whoever asks may not be who starts the daemon.
    if (geteuid() == 0) {
      problems.push_back({"VERIFYUSER", 0, detail});
    } else {
      std::fprintf(stderr, "qmail-verify: note: VERIFYUSER: %s: root cannot start it\n",
                   detail.c_str());
    }
  }
  if (!find_account("alias", detail).ok()) {
    std::fprintf(stderr,
                 "qmail-verify: note: no account \"alias\": only users' addresses are valid\n");
  }
  Judge judge(options);
  judge.refresh(0, problems);
  check_tables(judge.config().verifymaps, problems);
  if (judge.config().verifyprobe.entries.size() > 0) look_for_probe(options.next_hops.address);
  for (const Problem& problem : problems) print_problem(problem);
  return problems.empty() ? kExitOk : kExitPermanent;
}

}  // namespace qv
