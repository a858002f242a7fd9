// SPDX-License-Identifier: 0BSD
#include "verify/explain.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "core/exit_code.h"

namespace qv {

namespace {

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
  const auto print_notice = [](std::string_view line) {
    std::fprintf(stderr, "qmail-verify: %s\n", std::string(line).c_str());
  };
  verifier_.emplace(loop_, options_, *pool_, *log_,
                    VerifierReports{print_problem, print_notice, end_of_time_ns});
  verifier_->refresh(loop_.now_us());
  turn_ = loop_.after(0, [this] { next(); });
  return {};
}

void Explain::next() {
  if (at_ == addresses_.size()) {
    loop_.stop();
    return;
  }
  const char* address = addresses_[at_++];
  std::printf("%s\n", address);
  const std::int64_t now = loop_.now_us();
  const auto done = [this](const Decision& decision) { report(decision); };
  const Decision decision = verifier_->decide(address, now, &steps_);
  if (!decision.pending ||
      verifier_->park(decision, {address, now, done, &steps_}) == Verifier::Parked::no_room) {
    report(decision);
  }
}

void Explain::report(const Decision& decision) {
  for (const std::string& step : steps_) std::printf("  %s\n", step.c_str());
  const std::string user(decision.user.view());
  std::printf("  => %s (why=%s, position %d%s%s)\n",
              std::string(verdict_phrase(decision.verdict())).c_str(),
              std::string(why_word(decision.why)).c_str(), decision.position,
              user.empty() ? "" : ", user ", user.c_str());
  // 111 over 100 over 0: the least certain answer is the one to act on.
  const int code = exit_code_of(decision.verdict());
  if (code > exit_code_) exit_code_ = code;
  turn_ = loop_.after(0, [this] { next(); });
}

int Explain::exit_code() const { return std::max(exit_code_, VerifyProcess::exit_code()); }

void check_config(const Options& options, const Settings& settings,
                  std::vector<Problem>& problems) {
  if (!check_process_options("qmail-verify", options, settings, problems)) return;
  std::string detail;
  if (!find_account("alias", detail).ok()) {
    std::fprintf(stderr,
                 "qmail-verify: note: no account \"alias\": only users' addresses are valid\n");
  }
  const QmailConfig config = load_config(options.qmailhome, problems);
  UsersCdb(options.qmailhome + "/users/cdb").refresh(0, problems);
  if (!options.fastforward_cdb.empty()) {
    FastforwardCdb(options.fastforward_cdb).refresh(0, problems);
  }
  check_tables(config.verifymaps, problems);
  if (config.verifyprobe.entries.size() > 0) look_for_probe(options.next_hops.address);
}

}  // namespace qv
