// SPDX-License-Identifier: 0BSD
// deliver/settings.h - the settings of qmail-virtual, under Postfix's names.
//
// Manual: qmail-virtual(8), "SETTINGS".  Tests: tests/deliver/settings_test.cc
#ifndef QV_DELIVER_SETTINGS_H_
#define QV_DELIVER_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "control/settings.h"
#include "deliver/locks.h"
#include "deliver/quota.h"

namespace qv::deliver {

struct DeliverSettings {
  std::string mailbox_base;  // virtual_mailbox_base; absolute
  std::string mailbox_maps;  // lists of tables, as written
  std::string uid_maps;
  std::string gid_maps;
  std::string limit_maps;
  std::string delimiter;  // recipient_delimiter: any of these characters
  std::uint64_t minimum_uid = 100;
  std::uint64_t mailbox_limit = 51200000;  // bytes; 0: none
  LockPolicy locks;
  bool strict_ownership = true;
  bool extension_folders = false;
  std::string recipient_words;  // virtual_recipient: the recipient as the environment has it
  std::string spool_directory;
  std::uint64_t message_limit = 0;  // message_size_limit: bytes; 0: none
  std::uint64_t recipient_limit = 1000;
  std::uint64_t connection_limit = 10000;
  std::uint64_t writer_limit = 64;
  std::uint64_t mailbox_concurrency = 8;
  std::uint64_t time_limit = 120;  // seconds a delivery may take
  std::uint64_t timeout = 300;     // seconds a client may be silent
};

// `rows`, followed by those that fill `settings`, which must outlive them.  With a mistake in one
// of them nothing may be delivered.
[[nodiscard]] std::vector<control::Setting> deliver_settings(DeliverSettings& settings,
                                                             std::vector<control::Setting> rows);

}  // namespace qv::deliver

#endif  // QV_DELIVER_SETTINGS_H_
