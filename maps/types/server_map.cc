// SPDX-License-Identifier: 0BSD
#include "maps/types/server_map.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

#include "core/check.h"
#include "core/clock.h"

namespace qv {

namespace {

constexpr std::int64_t kHoldOffUs = 1'000'000;

class ServerMap final : public Map {
 public:
  ServerMap(std::unique_ptr<Server> server, std::vector<std::string> hosts,
            std::vector<SourceStamp> stamps)
      : server_(std::move(server)), hosts_(std::move(hosts)), stamps_(std::move(stamps)) {
    QV_CHECK(!hosts_.empty());
    // Which host is first need not be secret, only different from process to process.
    next_host_ = static_cast<std::size_t>(monotonic_us() ^ getpid()) % hosts_.size();
  }
  ~ServerMap() override { drop(); }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    const bool fresh = !connected_;
    QV_TRY_VOID(be_connected());
    bool broken = false;
    Result<Answer> answer = server_->ask(key, value, broken, detail_);
    if (answer.ok() || !broken) return answer;
    drop();
    if (fresh) return answer;
    // The server may have closed an idle connection: that is no reason to fail.
    QV_TRY_VOID(be_connected());
    broken = false;
    answer = server_->ask(key, value, broken, detail_);
    if (!answer.ok() && broken) drop();
    return answer;
  }
  void sources(std::vector<SourceStamp>& out) const override {
    out.insert(out.end(), stamps_.begin(), stamps_.end());
  }
  std::string detail() const override { return detail_; }

 private:
  void drop() {
    if (connected_) server_->disconnect();
    connected_ = false;
  }

  Result<void> be_connected() {
    if (connected_) return {};
    if (monotonic_us() < hold_off_until_us_) return last_failure_;
    std::string all;
    for (std::size_t tried = 0; tried < hosts_.size(); ++tried) {
      const std::string& host = hosts_[next_host_];
      const Result<void> done = server_->connect(host, detail_);
      if (done.ok()) {
        connected_ = true;
        return {};
      }
      next_host_ = (next_host_ + 1) % hosts_.size();
      last_failure_ = done.error();
      all += (all.empty() ? "" : "; ") + host + ": " + detail_;
    }
    detail_ = std::move(all);
    hold_off_until_us_ = monotonic_us() + kHoldOffUs;
    return last_failure_;
  }

  std::unique_ptr<Server> server_;
  std::vector<std::string> hosts_;
  std::vector<SourceStamp> stamps_;
  std::size_t next_host_ = 0;
  bool connected_ = false;
  std::int64_t hold_off_until_us_ = 0;
  Error last_failure_;
  std::string detail_;
};

// Not all client libraries keep a write to a closed connection from raising the signal.
void ignore_sigpipe() {
  struct sigaction present {};
  if (sigaction(SIGPIPE, nullptr, &present) != 0 || present.sa_handler != SIG_DFL) return;
  signal(SIGPIPE, SIG_IGN);
}

}  // namespace

std::unique_ptr<Map> make_server_map(std::unique_ptr<Server> server, std::vector<std::string> hosts,
                                     std::vector<SourceStamp> stamps) {
  ignore_sigpipe();
  return std::make_unique<ServerMap>(std::move(server), std::move(hosts), std::move(stamps));
}

Result<void> check_config(const QueryConfig& config, const std::vector<std::string>& needed,
                          std::string& detail) {
  std::string problems = config.problems(needed);
  if (problems.empty()) return {};
  detail = std::move(problems);
  return Error{Fault::config, 0, "table configuration"};
}

}  // namespace qv
