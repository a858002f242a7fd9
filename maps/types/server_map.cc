// SPDX-License-Identifier: 0BSD
#include "maps/types/server_map.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

#include "core/check.h"
#include "core/clock.h"
#include "core/text.h"

namespace qv::maps {

namespace {

// A URL may hold passwords: in front of an @, and behind a question mark.
std::string without_secrets(std::string_view host) {
  if (host.find("://") == host.npos) return std::string(host);
  const std::size_t at = find_last_byte(host, '@');
  const std::string_view rest = at == host.size() ? host : after_bytes(host, at + 1);
  return std::string(first_bytes(rest, rest.find('?')));
}

}  // namespace

// The random host need not be secret, only different from process to process.
ServerMap::ServerMap() : next_host_(static_cast<std::size_t>(monotonic_us() ^ getpid())) {
  // Not all client libraries keep a write to a closed connection from raising the signal.
  struct sigaction present {};
  if (sigaction(SIGPIPE, nullptr, &present) == 0 && present.sa_handler == SIG_DFL) {
    signal(SIGPIPE, SIG_IGN);
  }
}

Result<Answer> ServerMap::lookup(std::string_view key, std::string& value) {
  return with_connection([&] { return ask(key, value); });
}

Result<Answer> ServerMap::with_connection(const Ask& ask, bool repeat) {
  const bool reused = connected_;
  QV_TRY_VOID(be_connected());
  Result<Answer> answer = ask_once(ask);
  if (connected_ || !reused || !repeat) return answer;
  QV_TRY_VOID(be_connected());
  return ask_once(ask);
}

Result<Answer> ServerMap::ask_once(const Ask& ask) {
  detail_.clear();
  broken_ = false;
  Result<Answer> answer = ask();
  if (!answer.ok() && detail_.empty()) detail_ = answer.error().what;
  if (broken_) disconnect();
  connected_ = !broken_;
  return answer;
}

Result<void> ServerMap::be_connected() {
  if (connected_) return {};
  if (monotonic_us() < hold_off_until_us_) return last_failure_;
  QV_CHECK(!hosts_.empty());
  std::string all;
  for (std::size_t tried = 0; tried < hosts_.size(); ++tried) {
    const std::string& host = hosts_[next_host_ % hosts_.size()];
    detail_.clear();
    const Result<void> done = connect(host);
    connected_ = done.ok();
    if (connected_) return {};
    disconnect();
    ++next_host_;
    last_failure_ = done.error();
    all += (all.empty() ? "" : "; ") + without_secrets(host) + ": " +
           (detail_.empty() ? done.error().what : detail_);
  }
  detail_ = std::move(all);
  constexpr std::int64_t kHoldOffUs = 1'000'000;
  hold_off_until_us_ = monotonic_us() + kHoldOffUs;
  return last_failure_;
}

Error ServerMap::fail(const Error& error, std::string detail) {
  detail_ = std::move(detail);
  return error;
}

Error ServerMap::lose(const Error& error, std::string detail) {
  broken_ = true;
  return fail(error, std::move(detail));
}

Result<void> QueryMap::open(std::string& detail) {
  if (hosts_.empty()) config_.add_problem("no host");
  detail = config_.problems();
  if (!detail.empty()) return Error{Fault::config, 0, "table configuration"};
  const bool secret = config_.has("password") || config_.has("bind_pw");
  if (secret) detail = warn_if_exposed(config_.stamp());
  return {};
}

Result<Answer> QueryMap::ask(std::string_view key, std::string& value) {
  if (!rules_.wants(key)) return Answer::absent;
  Results results(rules_, key);
  QV_TRY_VOID(query(key, results));
  return results.take(value);
}

}  // namespace qv::maps
