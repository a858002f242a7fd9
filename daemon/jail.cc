// SPDX-License-Identifier: 0BSD
#include "daemon/jail.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/fault.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr std::uint64_t kMaxId = UINT32_MAX - 1;  // (uid_t)-1 means "leave it"
constexpr uid_t kSameUid = static_cast<uid_t>(-1);
constexpr gid_t kSameGid = static_cast<gid_t>(-1);

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
  // As getpwnam(3) says "there is none".
  if (errnum == 0 || errnum == ENOENT || errnum == ESRCH) {
    return config(detail, "there is no account \"" + name + "\"");
  }
  detail = "account \"" + name + "\"";
  return Error{Fault::retry, errnum, "cannot look it up"};
}

// What failed, as the Error of enter_jail().
Error failed(std::string& detail, const char* call) {
  const Error error = errno_error(call);
  detail = "cannot give up rights";
  return error;
}

Result<void> change_root(const std::string& root, std::string& detail) {
  if (root.empty()) return {};
  if (chdir(root.c_str()) != 0 || chroot(root.c_str()) != 0 || chdir("/") != 0) {
    const Error error = errno_error("chroot");
    detail = root;
    return error;
  }
  return {};
}

Result<void> become(const Account& account, std::string& detail) {
  const gid_t gid = account.gid;
  if (setgroups(1, &gid) != 0) return failed(detail, "setgroups");
  if (setresgid(gid, gid, gid) != 0) return failed(detail, "setresgid");
  if (setresuid(account.uid, account.uid, account.uid) != 0) return failed(detail, "setresuid");
  return {};
}

// Whether all ids are the account's, and root's are out of reach.
bool is_irrevocably(const Account& account) {
  uid_t uids[3];
  gid_t gids[3];
  gid_t group = 0;
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0) return false;
  if (getresgid(&gids[0], &gids[1], &gids[2]) != 0) return false;
  for (const uid_t uid : uids) {
    if (uid != account.uid) return false;
  }
  for (const gid_t gid : gids) {
    if (gid != account.gid) return false;
  }
  if (getgroups(1, &group) != 1 || group != account.gid) return false;
  return setresuid(kSameUid, 0, kSameUid) != 0 && setresgid(kSameGid, 0, kSameGid) != 0 &&
         setuid(0) != 0 && setgid(0) != 0 && setgroups(0, nullptr) != 0;
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

Result<void> enter_jail(const JailSettings& settings, std::string& detail) {
  const bool root = geteuid() == 0;
  if (!root && !settings.root.empty()) {
    return config(detail, settings.root + ": chroot needs to be started as root");
  }
  if (root) {
    if (settings.account.uid == 0 || settings.account.gid == 0) {
      return config(detail, "will not serve with root's uid or gid");
    }
    QV_TRY_VOID(change_root(settings.root, detail));
    QV_TRY_VOID(become(settings.account, detail));
    if (!is_irrevocably(settings.account)) {
      return config(detail, "gave up root's rights and could take them back");
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(detail, "no_new_privs");
  return limit(settings.open_files, detail);
}

}  // namespace qv
