// SPDX-License-Identifier: 0BSD
#include "agent/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "agent/home.h"
#include "agent/passwd.h"
#include "agent/request.h"
#include "control/file_stamp.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/cdb_file.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/worker.h"
#include "rcpt/users_cdb.h"

namespace qv::agent {

namespace {

// ---- the account --------------------------------------------------------------------------------

struct ServedAccount {
  process::Identity identity;
  std::string home;
};

// A name service must not yield one of the system's own accounts.
constexpr uid_t kLowestServiceUid = 100;

Error no_such_account() { return {Fault::denied, ENOENT, "account"}; }

Result<ServedAccount> served(uid_t uid, gid_t gid, std::string_view home) {
  if (uid == 0 || home.empty()) return no_such_account();
  return ServedAccount{{uid, group_for_looking(gid)}, std::string(home)};
}

Result<ServedAccount> find_assigned(std::string key, const std::string& path) {
  QV_TRY(Fd file, open_read(path.c_str()));
  QV_TRY(const maps::CdbFile cdb, maps::CdbFile::map(std::move(file)));
  std::string_view value;
  QV_TRY(const maps::Answer answer, cdb.find(key, value));
  if (answer == maps::Answer::absent) return no_such_account();
  rcpt::UserRecord record;
  rcpt::parse_user_record(value, record);
  QV_TRY_VOID(cdb.still_whole());
  if (record.broken_at != 0) return Error{Fault::config, EINVAL, "users/cdb"};
  return served(record.uid, record.gid, record.home.view());
}

// The first entry of a text of passwd(5) that is wanted.
template <class IsWanted>
bool find_entry(std::string_view text, PasswdEntry& entry, const IsWanted& is_wanted) {
  while (!text.empty()) {
    if (parse_passwd_line(take_until(text, '\n'), entry) && is_wanted(entry)) return true;
  }
  return false;
}

// The modules of name services read what servers send.  Root does not run them: a process that
// gives up its rights does, and answers with a Response.
Result<Response> ask_name_services(const std::string& name, const AgentSettings& settings) {
  QV_TRY(const Request request, passwd_user_request(name));
  process::Confinement confinement;
  confinement.name = "qv-resolver";
  QV_TRY(const process::Child resolver, process::start_child(confinement, [&](const Fd& socket) {
           if (!process::become_where_root(settings.resolver).ok()) return;
           const Finding found = find_passwd_user(request);
           static_cast<void>(process::send_message(socket, 0, 0, process::as_bytes(found.response),
                                                   -1, process::Waiting::allowed)
                                 .ok());
         }));
  const Result<process::Message> answer =
      process::receive_message(resolver.socket, process::Waiting::allowed);
  waitpid(resolver.pid, nullptr, 0);
  if (!answer.ok()) return answer.error();
  return validate_response(answer.value().body);
}

Result<ServedAccount> find_login(const std::string& name, const AgentSettings& settings) {
  control::SourceStamp seen;
  QV_TRY(const std::string passwd, read_passwd(settings.passwd.c_str(), seen));
  PasswdEntry entry;
  if (find_entry(passwd, entry, [&](const PasswdEntry& each) { return each.name == name; })) {
    return served(entry.uid, entry.gid, entry.home);
  }
  QV_TRY(const Response found, ask_name_services(name, settings));
  if (found.failed == 1) return Error{found.fault, found.errnum, "name service"};
  if (found.outcome != Outcome::found || found.uid < kLowestServiceUid ||
      find_entry(passwd, entry, [&](const PasswdEntry& each) { return each.uid == found.uid; })) {
    return no_such_account();
  }
  return served(found.uid, found.gid, found.home_view());
}

// uid and gid are never 0; the gid is group_for_looking()'s.  Fault::denied: there is no such
// account, or it must not be served; Fault::retry: undecided.
Result<ServedAccount> find_served_account(std::string_view account, const AgentSettings& settings) {
  if (!is_account_name(account)) return Error{Fault::denied, EINVAL, "account"};
  const std::string name(after_bytes(account, 2));
  if (account[0] == 'p') return find_login(name, settings);
  // The key of a whole local part ends in a NUL.
  return find_assigned(account[0] == 'x' ? '!' + name + '\0' : '!' + name, settings.users_cdb);
}

// ---- the agent ----------------------------------------------------------------------------------

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
void serve_account(const std::string& account, const Fd& socket, const AgentSettings& settings) {
  Result<ServedAccount> served = find_served_account(account, settings);
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
          return answer_with(look_up(request.value(), settings.passwd));
        }
        // The account changed between the front's look-up and the agent's: a new agent may agree.
        if (!was_first) return std::nullopt;
        return answer_with(served.ok() ? Error{Fault::retry, ESTALE, ""} : served.error());
      });
}

// Looks up login names, as the daemon's account.
void serve_names(const Fd& socket, const AgentSettings& settings) {
  if (!process::become_where_root(settings.resolver).ok()) return;
  process::serve_requests(socket, [&settings](const process::Message& message) {
    const Result<Request> request = validate(message.body);
    if (!request.ok()) return answer_with(request.error());
    if (request.value().account_length > 0) return answer_with(Error{Fault::denied, 0, ""});
    return answer_with(look_up(request.value(), settings.passwd));
  });
}

}  // namespace

gid_t group_for_looking(gid_t gid) {
  constexpr gid_t kNoGroup = 65534;
  return gid == 0 ? kNoGroup : gid;
}

std::string account_name(rcpt::OwnerSource source, std::string_view name) {
  constexpr std::string_view kLetters = "pxw";  // by OwnerSource
  return std::string(1, kLetters[static_cast<std::size_t>(source)]).append(":").append(name);
}

bool is_account_name(std::string_view account) {
  if (account.size() < 2 || account.size() >= kMaxAccount || account[1] != ':') return false;
  if (find_byte(account, '\0') != account.size()) return false;
  return account[0] == 'x' || account[0] == 'w' ||
         (account[0] == 'p' && can_be_login_name(after_bytes(account, 2)));
}

process::SpawnerSettings agent_spawner(const AgentSettings& settings) {
  process::SpawnerSettings spawner;
  spawner.confinement.name = "qv-agent";
  spawner.max_processes = settings.max_processes;
  spawner.run = [settings](const std::string& account, const Fd& socket) {
    maps::guard_against_truncation();
    if (account.empty()) return serve_names(socket, settings);
    serve_account(account, socket, settings);
  };
  return spawner;
}

}  // namespace qv::agent
