// SPDX-License-Identifier: 0BSD
// verify/explain.h - qmail-verify --explain and --check-config: for the operator, not for clients.
#ifndef QV_VERIFY_EXPLAIN_H_
#define QV_VERIFY_EXPLAIN_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verify/process.h"

namespace qv {

// Decides about each address as the daemon would, by the same code and with the same rights, and
// prints each step on standard output.
class Explain final : public VerifyProcess {
 public:
  // REQUIRES: all outlive this object.
  Explain(Loop& loop, const Options& options, const Settings& settings,
          std::span<char* const> addresses)
      : VerifyProcess(loop, options, settings), addresses_(addresses) {}

  [[nodiscard]] Result<void> post_jail(std::string& detail) override;

  void reload() override {}
  void log_counters() override {}
  void finish() override {}
  // 0: all valid; 100: one is not; 111: one is undecided, or the helpers are lost.
  [[nodiscard]] int exit_code() const override;

 private:
  void next();
  void report(const Decision& decision);

  std::span<char* const> addresses_;
  std::size_t at_ = 0;
  Explanation steps_;
  std::optional<Verifier> verifier_;
  Loop::Owned turn_;
  int exit_code_ = 0;
};

// --check-config: reads all files and opens all tables as the daemon would.
void check_config(const Options& options, const Settings& settings, std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_VERIFY_EXPLAIN_H_
