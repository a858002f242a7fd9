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

Finding look_up(const Request& request, const std::string& passwd) {
  switch (request.op) {
    case Op::passwd_index:
      return index_passwd(request, passwd.c_str());
    case Op::passwd_user:
      return find_passwd_user(request);
    case Op::home_index:
      return look_at_home(request, ListLimits{});
    case Op::home_file:
      return look_at_file(request);
    case Op::home_table:
      return look_into_table(request);
  }
  return Error{Fault::denied, 0, ""};
}

bool is_about(const Request& request, std::string_view account, const ServedAccount& served) {
  return request.account_view() == account && request.uid == served.identity.uid &&
         request.gid == served.identity.gid && request.home_view() == served.home;
}

// Changes to the account, and answers about its home.
void serve_account(const std::string& account, const Fd& socket, const AccountFiles& files) {
  Result<ServedAccount> served = find_served_account(account, files);
  if (served.ok()) {
    const Result<void> became = process::become_where_root(served.value().identity);
    if (!became.ok()) served = became.error();
  }
  bool is_first = true;
  process::serve_requests(
      socket, [&](const process::Message& message) -> std::optional<process::Message> {
        const Result<Request> request = validate(message.body);
        if (!request.ok()) return answer_with(request.error());
        const bool was_first = std::exchange(is_first, false);
        if (served.ok() && is_about(request.value(), account, served.value())) {
          return answer_with(look_up(request.value(), files.passwd));
        }
        // The account changed between the front's look-up and the agent's: a new agent may agree.
        if (!was_first) return std::nullopt;
        return answer_with(served.ok() ? Error{Fault::retry, ESTALE, ""} : served.error());
      });
}

// Looks up login names, as the daemon's account.
void serve_names(const Fd& socket, const AccountFiles& files) {
  if (!process::become_where_root(files.resolver).ok()) return;
  process::serve_requests(socket, [&files](const process::Message& message) {
    const Result<Request> request = validate(message.body);
    if (!request.ok()) return answer_with(request.error());
    if (request.value().account_length > 0) return answer_with(Error{Fault::denied, 0, ""});
    return answer_with(look_up(request.value(), files.passwd));
  });
}

}  // namespace

process::SpawnerSettings agent_spawner(const AgentSettings& settings) {
  process::SpawnerSettings spawner;
  spawner.confinement.name = "qv-agent";
  spawner.max_processes = settings.max_processes;
  spawner.run = [settings](const std::string& account, const Fd& socket) {
    guard_against_truncation();
    if (account.empty()) return serve_names(socket, settings.files);
    serve_account(account, socket, settings.files);
  };
  return spawner;
}

}  // namespace qv::helper
