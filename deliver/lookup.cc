// SPDX-License-Identifier: 0BSD
#include "deliver/lookup.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "deliver/maildir.h"
#include "deliver/message.h"
#include "maps/address_keys.h"

namespace qv {

namespace {

constexpr std::size_t kMaxRecipient = 900;     // bytes, as the verifier has it
constexpr std::uint64_t kMaxId = 4294967294u;  // -1 is no id

// Where the extension begins, its delimiter included; local.size() where there is none.  A
// delimiter in front leaves no user, and is none.
std::size_t find_delimiter(std::string_view local, std::string_view delimiter) {
  for (std::size_t i = 1; i < local.size(); ++i) {
    if (delimiter.find(local[i]) != std::string_view::npos) return i;
  }
  return local.size();
}

Error config(const char* what) { return {Fault::config, 0, what}; }

// A path is text of one line below the base.
Result<std::string> check_path(const std::string& base, const std::string& value,
                               std::string& detail) {
  detail = "virtual_mailbox_maps: \"" + value + "\"";
  if (value.empty()) return config("mailbox path is empty");
  if (!is_clean(value)) return config("mailbox path with CR, LF or NUL");
  std::string path = base + "/" + value;
  if ((path + "/").find("/../") != std::string::npos) return config("mailbox path with /../");
  detail.clear();
  return path;
}

Result<std::uint64_t> check_id(TableList& tables, const char* name, std::string_view recipient,
                               const DeliverSettings& settings, std::uint64_t least,
                               std::string& detail) {
  std::string value;
  detail = name;
  QV_TRY(const Answer answer, tables.find(recipient, settings.delimiter, value, detail));
  if (answer == Answer::absent) return config("recipient has a mailbox and no entry here");
  detail += ": \"" + value + "\"";
  std::uint64_t id = 0;
  if (!parse_decimal(value, kMaxId, id)) return config("id is not a decimal number in range");
  if (id < least) return config("id is one that is never delivered to");
  detail.clear();
  return id;
}

Result<Quota> find_quota(const DeliverSettings& settings, TableList& tables,
                         std::string_view recipient, std::string& detail) {
  std::string value;
  detail = "virtual_mailbox_limit_maps";
  QV_TRY(const Answer answer, tables.find(recipient, settings.delimiter, value, detail));
  Quota quota;
  if (answer == Answer::found && !parse_quota(value, quota)) {
    detail += ": \"" + value + "\"";
    return config("quota is not one such as 1000000S,1000C");
  }
  detail.clear();
  return quota;
}

}  // namespace

void TableList::add(std::unique_ptr<Map> map) { tables_.push_back(std::move(map)); }

Result<Answer> TableList::find(std::string_view recipient, std::string_view delimiter,
                               std::string& value, std::string& detail) {
  const std::vector<std::string> keys = address_keys(recipient, delimiter);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (const std::unique_ptr<Map>& table : tables_) {
      if (i > 0 && table->is_pattern()) continue;
      const Result<Answer> answer = table->lookup(keys[i], value);
      if (!answer.ok()) detail += ": " + table->detail();
      if (!answer.ok() || answer.value() == Answer::found) return answer;
    }
  }
  return Answer::absent;
}

std::string_view extension_of(std::string_view recipient, std::string_view delimiter) {
  const std::string_view local = first_bytes(recipient, find_last_byte(recipient, '@'));
  return after_bytes(local, find_delimiter(local, delimiter) + 1);
}

Result<Answer> find_mailbox(const DeliverSettings& settings, RecipientTables& tables,
                            std::string_view recipient, Mailbox& mailbox, std::string& detail) {
  // No table has such a key; some types would misread it.
  if (recipient.empty() || recipient.size() > kMaxRecipient || !is_clean(recipient)) {
    return Answer::absent;
  }
  std::string value;
  detail = "virtual_mailbox_maps";
  QV_TRY(const Answer answer, tables.mailbox.find(recipient, settings.delimiter, value, detail));
  detail.clear();
  if (answer == Answer::absent) return answer;
  Mailbox found;
  QV_TRY(found.path, check_path(settings.mailbox_base, value, detail));
  QV_TRY(const std::uint64_t uid,
         check_id(tables.uid, "virtual_uid_maps", recipient, settings,
                  std::max<std::uint64_t>(settings.minimum_uid, 1), detail));
  QV_TRY(const std::uint64_t gid,
         check_id(tables.gid, "virtual_gid_maps", recipient, settings, 1, detail));
  QV_TRY(found.quota, find_quota(settings, tables.limit, recipient, detail));
  found.uid = static_cast<uid_t>(uid);
  found.gid = static_cast<gid_t>(gid);
  if (settings.extension_folders && found.is_maildir()) {
    found.folder = extension_folder(extension_of(recipient, settings.delimiter));
  }
  mailbox = std::move(found);
  return Answer::found;
}

}  // namespace qv
