// SPDX-License-Identifier: 0BSD
#include "process/jail.h"

#include <errno.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/fault.h"
#include "core/text.h"
#include "process/identity.h"

namespace qv::process {

namespace {

constexpr std::uint64_t kMaxId = UINT32_MAX - 1;  // (uid_t)-1 means "leave it"

Error config(std::string& detail, std::string why) {
  detail = std::move(why);
  return {Fault::config, 0, ""};
}

// ":uid:gid"; false where it is anything else.
bool parse_numeric(std::string_view name, Account& account) {
  if (!starts_with(name, ":")) return false;
  name.remove_prefix(1);
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  if (!parse_decimal(take_until(name, ':'), kMaxId, uid) || !parse_decimal(name, kMaxId, gid)) {
    return false;
  }
  account.uid = static_cast<uid_t>(uid);
  account.gid = static_cast<gid_t>(gid);
  return true;
}

Result<Account> look_up(const std::string& name, std::string& detail) {
  std::vector<char> buffer(65536);
  passwd entry{};
  passwd* found = nullptr;
  const int errnum = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return Account{entry.pw_uid, entry.pw_gid};
  // The ways of getpwnam(3) to say that there is none.
  if (errnum == 0 || errnum == ENOENT || errnum == ESRCH) {
    return config(detail, "there is no account \"" + name + "\"");
  }
  detail = "account \"" + name + "\"";
  return Error{Fault::retry, errnum, "cannot look it up"};
}

// The error of a call that failed in enter_jail().
Error failed(std::string& detail, const char* call) {
  const Error error = errno_error(call);
  detail = "cannot give up rights";
  return error;
}

Result<void> limit(std::uint64_t open_files, std::string& detail) {
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return failed(detail, "RLIMIT_CORE");
  if (open_files == 0) return {};
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return failed(detail, "RLIMIT_NOFILE");
  files.rlim_cur = std::min<rlim_t>(open_files, files.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) return failed(detail, "RLIMIT_NOFILE");
  return {};
}

}  // namespace

Result<Account> find_account(std::string_view name, std::string& detail) {
  const std::string wanted(name);
  Account account;
  if (!parse_numeric(name, account)) {
    QV_TRY(account, look_up(wanted, detail));
  }
  if (account.uid == 0 || account.gid == 0) {
    return config(detail, "account \"" + wanted + "\" has root's uid or gid: choose another");
  }
  return account;
}

Result<Account> account_to_become(std::string_view setting, std::string_view name,
                                  std::string& detail) {
  if (geteuid() != 0) return Account{};
  std::string why;
  Result<Account> account = find_account(name, why);
  detail = std::string(setting) + ": " + why;
  return account;
}

Result<void> enter_jail(const Account& account, std::uint64_t open_files, std::string& detail) {
  if (geteuid() == 0) {
    if (account.uid == 0 || account.gid == 0) {
      return config(detail, "will not serve with root's uid or gid");
    }
    detail = "cannot give up rights";
    QV_TRY_VOID(become_for_good(account));
    detail.clear();
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(detail, "no_new_privs");
  return limit(open_files, detail);
}

}  // namespace qv::process
