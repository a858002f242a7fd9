// SPDX-License-Identifier: 0BSD
// verify/judge.h - the decision with the files it goes by, kept as they are on disk.
//
// Threads: none.  Blocking: refresh() reads local files that have changed.
#ifndef QV_VERIFY_JUDGE_H_
#define QV_VERIFY_JUDGE_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "rcpt/config.h"
#include "rcpt/decide.h"
#include "rcpt/fastforward.h"
#include "rcpt/users_cdb.h"
#include "verify/options.h"

namespace qv {

class Judge {
 public:
  // Reads nothing yet.
  explicit Judge(const Options& options);

  // Reads what has changed, at most once a second; adds to `problems` what is newly wrong.
  // changed: config() is another one.
  Change refresh(std::int64_t now_us, std::vector<Problem>& problems);
  // The next refresh() reads everything and reports all that is wrong (SIGHUP).
  void force();

  // What most addresses are looked up by: their local part in users/cdb (UsersCdb::look_ahead()).
  [[nodiscard]] UsersCdb::Place look_ahead(std::string_view address) const;

  [[nodiscard]] const QmailConfig& config() const { return config_.config(); }

  [[nodiscard]] Decision decide(std::string_view address, Lookups& lookups,
                                Trail* trail = nullptr) const;

 private:
  ConfigWatch config_;
  UsersCdb users_;
  std::optional<FastforwardCdb> fastforward_;
  DotqmailPolicy dotqmail_;
};

}  // namespace qv

#endif  // QV_VERIFY_JUDGE_H_
