// SPDX-License-Identifier: 0BSD
#include "process/options.h"

#include <stdio.h>
#include <unistd.h>

#include <iterator>
#include <utility>

namespace qv {

std::vector<Setting> with_process_settings(ProcessOptions& options, std::vector<Setting> own) {
  std::vector<Setting> rows = {
      {"qmailhome", setting::path(options.qmailhome), QV_QMAILHOME,
       "qmail's directory, with control/ in it", "", kOfProcess},
      {"socket_group", setting::text(options.socket_group), "",
       "group of Unix sockets, a name or a number", "SOCKETGROUP LISTENGROUP", kOfProcess},
  };
  rows.insert(rows.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
  return rows;
}

Result<SocketAccess> socket_access(const ProcessOptions& options, const Settings& settings,
                                   std::string& detail) {
  SocketAccess access{.mode = options.socket_mode, .group = std::nullopt};
  if (options.socket_group.empty()) return access;
  access.group = find_group(options.socket_group);
  detail = settings.place("socket_group") + ": " + options.socket_group;
  if (!access.group) return Error{Fault::config, 0, "there is no such group"};
  return access;
}

Result<std::vector<Fd>> open_listeners(const ProcessOptions& options, const Settings& settings,
                                       std::string& detail) {
  QV_TRY(const SocketAccess access, socket_access(options, settings, detail));
  std::vector<Fd> listeners;
  for (const std::string& text : options.listen) {
    detail = settings.place("listen") + ": " + text;
    QV_TRY(const StreamAddress address, parse_stream_address(text));
    QV_TRY(Fd listener, listen_on(address, access));
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

bool check_process_options(std::string_view program, const ProcessOptions& options,
                           const Settings& settings, std::vector<Problem>& problems) {
  std::string detail;
  if (!socket_access(options, settings, detail).ok()) {
    problems.push_back({settings.place("socket_group"), 0, "there is no such group"});
  }
  const bool is_account = find_account(options.account, detail).ok();
  const Problem no_account{settings.place("account"), 0, detail};
  if (!is_account && geteuid() == 0) problems.push_back(no_account);
  if (!is_account && geteuid() != 0) {
    fprintf(stderr, "%.*s: note: %s: root cannot start it\n", static_cast<int>(program.size()),
            program.data(), to_string(no_account).c_str());
  }
  if (chdir(options.qmailhome.c_str()) == 0) return true;
  problems.push_back({settings.place("qmailhome"), 0, "cannot change to " + options.qmailhome});
  return false;
}

}  // namespace qv
