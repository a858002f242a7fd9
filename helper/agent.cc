// SPDX-License-Identifier: 0BSD
#include "helper/agent.h"

#include <errno.h>

#include <optional>
#include <string>
#include <utility>

#include "helper/home.h"
#include "helper/passwd.h"
#include "helper/request.h"
#include "maps/cdb_file.h"
#include "process/worker.h"

namespace qv::helper {

namespace {

process::Message answer_with(Finding finding) {
  process::Message answer;
  answer.body = process::as_bytes(finding.response);
  answer.file = std::move(finding.file);
  return answer;
}

// Login names, looked up as the daemon's account.
Finding look_up_name(const Request& request, const std::string& passwd) {
  switch (request.op) {
    case Op::passwd_index:
      return index_passwd(request, passwd.c_str());
    case Op::passwd_user:
      return find_passwd_user(request);
    case Op::home_index:
    case Op::home_file:
    case Op::home_table:
      break;
  }
  return fault_finding(Error{Fault::denied, 0, ""});
}

Finding look_into_home(const Request& request) {
  switch (request.op) {
    case Op::home_index:
      return look_at_home(request, ListLimits{});
    case Op::home_file:
      return look_at_file(request);
    case Op::home_table:
      return look_into_table(request);
    case Op::passwd_index:
    case Op::passwd_user:
      break;
  }
  return fault_finding(Error{Fault::denied, 0, ""});
}

// An agent that has changed to an account.
class AccountAgent {
 public:
  AccountAgent(std::string account, Result<ServedAccount> served)
      : account_(std::move(account)), served_(std::move(served)) {
    if (!served_.ok()) return;
    const Result<void> became = process::become_where_root(served_.value().identity);
    if (!became.ok()) served_ = became.error();
  }

  // Nothing: a new agent may be able to answer.
  std::optional<process::Message> answer(const Request& request) {
    const bool is_first = !std::exchange(has_answered_, true);
    if (served_.ok() && is_asked(request)) return answer_with(look_into_home(request));
    // The account changed between the front's look-up and the agent's: a new agent may agree.
    if (!is_first) return std::nullopt;
    return answer_with(
        fault_finding(served_.ok() ? Error{Fault::retry, ESTALE, ""} : served_.error()));
  }

 private:
  [[nodiscard]] bool is_asked(const Request& request) const {
    const ServedAccount& served = served_.value();
    return request.account_view() == account_ && request.uid == served.identity.uid &&
           request.gid == served.identity.gid && request.home_view() == served.home;
  }

  const std::string account_;
  Result<ServedAccount> served_;
  bool has_answered_ = false;
};

void serve_account(const std::string& account, const Fd& socket, const AgentSettings& settings) {
  AccountAgent agent(account, find_served_account(account, settings.files));
  process::serve_requests(
      socket, [&agent](const process::Message& message) -> std::optional<process::Message> {
        const Result<Request> request = validate(message.body);
        if (!request.ok()) return answer_with(fault_finding(request.error()));
        return agent.answer(request.value());
      });
}

void serve_names(const Fd& socket, const AgentSettings& settings) {
  if (!process::become_where_root(settings.files.resolver).ok()) return;
  process::serve_requests(socket, [&settings](const process::Message& message) {
    const Result<Request> request = validate(message.body);
    return answer_with(request.ok() ? look_up_name(request.value(), settings.files.passwd)
                                    : fault_finding(request.error()));
  });
}

}  // namespace

process::SpawnerSettings agent_spawner(const AgentSettings& settings) {
  process::SpawnerSettings spawner;
  spawner.confinement.name = "qv-agent";
  spawner.max_processes = settings.max_processes;
  spawner.run = [settings](const std::string& account, const Fd& socket) {
    guard_against_truncation();
    if (account.empty()) return serve_names(socket, settings);
    serve_account(account, socket, settings);
  };
  return spawner;
}

}  // namespace qv::helper
