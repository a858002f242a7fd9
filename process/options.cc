// SPDX-License-Identifier: 0BSD
#include "process/options.h"

#include <stdio.h>
#include <unistd.h>

#include <iterator>
#include <utility>

namespace qv::process {

std::vector<control::Setting> with_process_settings(ProcessOptions& options,
                                                    std::vector<control::Setting> own) {
  std::vector<control::Setting> rows = {
      {"qmailhome", control::setting::path(options.qmailhome), QV_QMAILHOME,
       "qmail's directory, with control/ in it", "", control::kOfProcess},
      {"socket_group", control::setting::text(options.socket_group), "",
       "group of Unix sockets, a name or a number", "SOCKETGROUP LISTENGROUP", control::kOfProcess},
  };
  rows.insert(rows.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
  return rows;
}

Result<event::SocketAccess> socket_access(const ProcessOptions& options,
                                          const control::Settings& settings, std::string& detail) {
  event::SocketAccess access{.mode = options.socket_mode, .group = std::nullopt};
  if (options.socket_group.empty()) return access;
  access.group = event::find_group(options.socket_group);
  detail = settings.place("socket_group") + ": " + options.socket_group;
  if (!access.group) return Error{Fault::config, 0, "there is no such group"};
  return access;
}

Result<std::vector<Fd>> open_listeners(const ProcessOptions& options,
                                       const control::Settings& settings, std::string& detail) {
  QV_TRY(const event::SocketAccess access, socket_access(options, settings, detail));
  std::vector<Fd> listeners;
  for (const std::string& text : options.listen) {
    detail = settings.place("listen") + ": " + text;
    QV_TRY(const event::StreamAddress address, event::parse_stream_address(text));
    QV_TRY(Fd listener, event::listen_on(address, access));
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

bool check_process_options(std::string_view program, const ProcessOptions& options,
                           const control::Settings& settings,
                           std::vector<control::Problem>& problems) {
  std::string detail;
  if (!socket_access(options, settings, detail).ok()) {
    problems.push_back({settings.place("socket_group"), 0, "there is no such group"});
  }
  const bool is_account = find_account(options.account, detail).ok();
  const control::Problem no_account{settings.place("account"), 0, detail};
  if (!is_account && geteuid() == 0) problems.push_back(no_account);
  if (!is_account && geteuid() != 0) {
    fprintf(stderr, "%.*s: note: %s: root cannot start it\n", static_cast<int>(program.size()),
            program.data(), control::to_string(no_account).c_str());
  }
  if (chdir(options.qmailhome.c_str()) == 0) return true;
  problems.push_back({settings.place("qmailhome"), 0, "cannot change to " + options.qmailhome});
  return false;
}

}  // namespace qv::process
