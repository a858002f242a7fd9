// SPDX-License-Identifier: 0BSD
// verify/process.h - qmail-verify as a process: the order in which it opens things and gives up
// rights, for the daemon and for --explain alike.
//
//   pre_jail    spawner forked first, so that it never holds a socket; then sockets bound
//   post_jail   pool of helpers, control files, answers from here on
#ifndef QV_VERIFY_PROCESS_H_
#define QV_VERIFY_PROCESS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fd.h"
#include "event/loop.h"
#include "helper/pool.h"
#include "process/log.h"
#include "process/skeleton.h"
#include "verify/counters.h"
#include "verify/options.h"
#include "verify/service.h"
#include "verify/stream_service.h"
#include "verify/verifier.h"

namespace qv {

// What both have in common: the helpers.
class VerifyProcess : public Daemon {
 public:
  VerifyProcess(Loop& loop, const Options& options, const Settings& settings)
      : Daemon(loop, options, settings), options_(options) {}

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override;
  [[nodiscard]] Result<void> post_jail(std::string& detail) override;

 protected:
  const Options& options_;
  process::Spawner spawner_;
  std::optional<helper::Pool> pool_;
};

class VerifyDaemon final : public VerifyProcess {
 public:
  using VerifyProcess::VerifyProcess;

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override;
  [[nodiscard]] Result<void> post_jail(std::string& detail) override;
  [[nodiscard]] std::uint64_t open_files() const override;
  void reload() override { verifier_->reload(); }

 private:
  void add_counters(LogLine& line) override;
  [[nodiscard]] Result<void> bind_all(std::string& detail);

  struct Listening {
    Fd fd;
    StreamProtocol protocol;
  };
  std::vector<Fd> bound_;  // datagrams
  std::vector<Listening> listening_;
  std::optional<Verifier> verifier_;
  std::optional<VerifyService> service_;
  std::optional<StreamService> streams_;
};

}  // namespace qv

#endif  // QV_VERIFY_PROCESS_H_
