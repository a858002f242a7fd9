// SPDX-License-Identifier: 0BSD
// deliver/settings.h - what an operator may set for qmail-virtual, under Postfix's names.
//
// A setting is a control file, control/NAME: its lines, comments left out, joined by one blank. The
// command line overrides it: -o NAME=VALUE.  An empty file is an empty value.
//
// Manual: qmail-virtual(8), "SETTINGS".  Tests: tests/deliver/settings_test.cc
#ifndef QV_DELIVER_SETTINGS_H_
#define QV_DELIVER_SETTINGS_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"
#include "control/settings.h"
#include "deliver/locks.h"
#include "deliver/quota.h"

namespace qv {

struct DeliverSettings {
  std::string mailbox_base;  // virtual_mailbox_base; absolute
  std::string mailbox_maps;  // tables, as written
  std::string uid_maps;
  std::string gid_maps;
  std::string limit_maps;
  std::string delimiter;  // recipient_delimiter: each character is one
  std::uint64_t minimum_uid = 100;
  std::uint64_t mailbox_limit = 51200000;  // bytes; 0: none
  LockPolicy locks;
  bool strict_ownership = true;
  bool extension_folders = false;
  std::string recipient_words;  // virtual_recipient: which address the environment means
  std::string spool_directory;
  std::uint64_t message_limit = 0;  // message_size_limit: bytes; 0: none
  std::uint64_t recipient_limit = 1000;
  std::uint64_t connection_limit = 10000;
  std::uint64_t writer_limit = 64;
  std::uint64_t mailbox_concurrency = 8;
  std::uint64_t time_limit = 120;  // seconds a delivery may take
  std::uint64_t timeout = 300;     // seconds a client may be silent
};

// The table for --help and for the manual.
[[nodiscard]] std::span<const Setting> deliver_setting_table();

// NAME=VALUE of a -o option; false where it is not that.
[[nodiscard]] bool parse_override(std::string_view text,
                                  std::map<std::string, std::string, std::less<>>& overrides);

// Reads control/ under `home` and the overrides.  Every mistake is added to `problems`: a value
// that cannot be, a file that cannot be read, an override of no setting, a base that is missing or
// not absolute, no mailbox, uid or gid table.  With any of these nothing may be delivered.
[[nodiscard]] DeliverSettings read_deliver_settings(
    const std::string& home, const std::map<std::string, std::string, std::less<>>& overrides,
    std::vector<Problem>& problems);

// "20", "20s", "5m", "2h", "1d", "1w" in seconds, at most `max`; false where it is not that.
[[nodiscard]] bool parse_seconds(std::string_view text, std::uint64_t max, std::uint64_t& seconds);

}  // namespace qv

#endif  // QV_DELIVER_SETTINGS_H_
