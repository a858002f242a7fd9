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
  // REQUIRES: `addresses` outlives this object.
  Explain(Loop& loop, std::span<char* const> addresses)
      : VerifyProcess(loop), addresses_(addresses) {}

  [[nodiscard]] Result<void> post_jail(std::string& detail) override;

  // 0: all valid; 100: one is not; 111: one is undecided.
  [[nodiscard]] int exit_code() const { return exit_code_; }

 private:
  class Steps final : public Explanation {
   public:
    void begin() override { steps_.clear(); }
    void step(std::string_view sentence) override { steps_.emplace_back(sentence); }
    void print() const;

   private:
    std::vector<std::string> steps_;
  };

  void next();
  void report(const Decision& decision);

  std::span<char* const> addresses_;
  std::size_t at_ = 0;
  Steps steps_;
  std::optional<Verifier> verifier_;
  Loop::Owned turn_;
  int exit_code_ = 0;
};

// Reads all settings and files as the daemon would; prints each mistake on standard error.
// Returns 0 where there is none, else 100.
[[nodiscard]] int check_config();

}  // namespace qv

#endif  // QV_VERIFY_EXPLAIN_H_
