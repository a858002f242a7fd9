// SPDX-License-Identifier: 0BSD
#include "deliver/settings.h"

#include "core/text.h"
#include "maps/address_keys.h"

namespace qv::deliver {

namespace {

using namespace control::setting;

constexpr std::uint64_t kMaxBytes = INT64_MAX;
constexpr std::int64_t kMax_s = 7 * 86400;

std::string check_set(std::string_view value) {
  return value.empty() ? "is not set: nothing can be delivered" : "";
}

std::string check_base(std::string_view value) {
  if (value.empty()) return check_set(value);
  if (!starts_with(value, "/")) return "is not absolute: begin it with /";
  if ((std::string(value) + "/").find("/../") != std::string::npos) return "holds /../";
  return {};
}

control::SettingValue lock_style(LockStyle& member) {
  return {[&member](std::string_view value) -> std::string {
    LockStyle style;
    if (parse_lock_style(value, style)) {
      member = style;
      return {};
    }
    return "\"" + std::string(value) + "\" is not a list of fcntl, flock and dotlock";
  }};
}

}  // namespace

std::vector<control::Setting> deliver_settings(DeliverSettings& s,
                                               std::vector<control::Setting> rows) {
  const std::vector<control::Setting> own = {
      {"virtual_mailbox_base", control::setting::text(s.mailbox_base, check_base), "",
       "directory in front of every mailbox path; absolute"},
      {"virtual_mailbox_maps", control::setting::text(s.mailbox_maps, check_set), "",
       "tables: recipient to mailbox path; a path that ends in / is a maildir"},
      {"virtual_uid_maps", control::setting::text(s.uid_maps, check_set), "",
       "tables: recipient to user id"},
      {"virtual_gid_maps", control::setting::text(s.gid_maps, check_set), "",
       "tables: recipient to group id"},
      {"virtual_mailbox_limit_maps", control::setting::text(s.limit_maps), "",
       "tables: recipient to quota, such as 1000000S,1000C"},
      {"recipient_delimiter", control::setting::text(s.delimiter), maps::kDefaultDelimiters,
       "characters that separate user and extension; empty: none"},
      {"virtual_minimum_uid", control::setting::number(s.minimum_uid, 1, 4294967294), "100",
       "user ids below this are never delivered to"},
      {"virtual_mailbox_limit", control::setting::number(s.mailbox_limit, 0, kMaxBytes), "51200000",
       "bytes of an mbox or of one file of a maildir; 0: no limit"},
      {"virtual_mailbox_lock", lock_style(s.locks.style), "fcntl, dotlock",
       "how an mbox is locked: any of fcntl, flock, dotlock"},
      {"deliver_lock_attempts", control::setting::number(s.locks.attempts, 1, 10000), "20",
       "how often a lock is tried"},
      {"deliver_lock_delay", control::setting::duration(s.locks.delay, 's', 0, kMax_s), "1s",
       "time between two attempts at a lock"},
      {"stale_lock_time", control::setting::duration(s.locks.stale, 's', 0, kMax_s), "500s",
       "age at which another program's dotlock is removed"},
      {"strict_mailbox_ownership", control::setting::yes_no(s.strict_ownership), "yes",
       "an mbox must be owned by its recipient"},
      {"virtual_extension_folders", control::setting::yes_no(s.extension_folders), "no",
       "deliver to the maildir's subfolder named like the extension, where it exists"},
      {"virtual_recipient", control::setting::text(s.recipient_words), "$DEFAULT@$HOST $EXT@$HOST",
       "recipient of a .qmail line: the first word whose variables are all set"},
      {"virtual_spool_directory", control::setting::path(s.spool_directory), "/var/tmp",
       "directory for large messages that come over LMTP or a pipe"},
  };
  rows.insert(rows.end(), own.begin(), own.end());
  return rows;
}

}  // namespace qv::deliver
