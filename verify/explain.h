// SPDX-License-Identifier: 0BSD
// verify/explain.h - qmail-verify --explain and --check-config: for the operator, not for clients.
#ifndef QV_VERIFY_EXPLAIN_H_
#define QV_VERIFY_EXPLAIN_H_

#include <span>
#include <string>

#include "verify/process.h"

namespace qv {

// Decides about each address as the daemon would, with the daemon's rights, and prints the trail on
// standard output.
class Explain final : public VerifyProcess {
 public:
  // REQUIRES: `addresses` outlives this object.
  Explain(Loop& loop, std::span<char* const> addresses)
      : VerifyProcess(loop), addresses_(addresses) {}

  [[nodiscard]] Result<void> post_jail(std::string& detail) override;

  // 0: all valid; 100: one is not; 111: one cannot be told.
  [[nodiscard]] int exit_code() const { return exit_code_; }

 private:
  void next();
  void decide();
  void report(const Decision& decision);

  std::span<char* const> addresses_;
  std::size_t at_ = 0;
  std::int64_t asked_at_us_ = 0;
  std::optional<CachedLookups> lookups_;
  std::optional<Judge> judge_;
  Loop::Owned turn_;
  int exit_code_ = 0;
};

// Reads all settings and files as the daemon would; prints each mistake on standard error.
// Returns 0 where there is none, else 100.
[[nodiscard]] int check_config();

}  // namespace qv

#endif  // QV_VERIFY_EXPLAIN_H_
