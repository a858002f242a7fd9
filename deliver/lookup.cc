// SPDX-License-Identifier: 0BSD
#include "deliver/lookup.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "deliver/maildir.h"
#include "deliver/message.h"
#include "maps/address_keys.h"
#include "maps/spec.h"

namespace qv::deliver {

namespace {

constexpr std::size_t kMaxRecipient = 900;     // bytes, as in the verifier
constexpr std::uint64_t kMaxId = 4294967294u;  // -1 is no id
constexpr const char* kUnbalanced = "a brace lacks its partner";

struct TableSource {
  TableList RecipientTables::*list;
  std::string DeliverSettings::*text;
};
constexpr TableSource kSources[] = {{&RecipientTables::mailbox, &DeliverSettings::mailbox_maps},
                                    {&RecipientTables::uid, &DeliverSettings::uid_maps},
                                    {&RecipientTables::gid, &DeliverSettings::gid_maps},
                                    {&RecipientTables::limit, &DeliverSettings::limit_maps}};

maps::MapOptions options_for(const TableSource& source) {
  maps::MapOptions options;
  options.no_substitution = true;
  options.refuse_empty = source.list == &RecipientTables::mailbox;
  return options;
}

// The elements of a list of tables, without `proxy:`.  False where a brace lacks its partner.
bool split_tables(std::string_view text, std::vector<std::string_view>& elements) {
  if (!maps::split_list(text, elements)) return false;
  for (std::string_view& element : elements) {
    while (maps::is_proxied(element)) continue;
  }
  return true;
}

// What follows the first delimiter of the local part; a delimiter in front of everything is none.
std::string_view extension_of(std::string_view recipient, std::string_view delimiter) {
  const std::string_view local = first_bytes(recipient, find_last_byte(recipient, '@'));
  const std::size_t at = local.find_first_of(delimiter, 1);
  return at == std::string_view::npos ? std::string_view() : after_bytes(local, at + 1);
}

// An entry that is not acceptable.
Error wrong(const TableList& list, const std::string& value, const char* what,
            std::string& detail) {
  detail = list.setting + ": \"" + value + "\"";
  return {Fault::config, 0, what};
}

// A path is text of one line below the base.
Result<std::string> find_path(const DeliverSettings& settings, const TableList& list,
                              const std::string& value, std::string& detail) {
  if (value.empty()) return wrong(list, value, "mailbox path is empty", detail);
  if (!is_clean(value)) return wrong(list, value, "mailbox path with CR, LF or NUL", detail);
  std::string path = settings.mailbox_base + "/" + value;
  if ((path + "/").find("/../") != std::string::npos) {
    return wrong(list, value, "mailbox path with /../", detail);
  }
  return path;
}

Result<std::uint32_t> find_id(const DeliverSettings& settings, TableList& list,
                              std::string_view recipient, std::uint64_t least,
                              std::string& detail) {
  std::string value;
  QV_TRY(const maps::Answer answer, list.find(recipient, settings.delimiter, value, detail));
  if (answer == maps::Answer::absent) {
    return wrong(list, value, "recipient has a mailbox and no entry here", detail);
  }
  std::uint64_t id = 0;
  if (!parse_decimal(value, kMaxId, id)) {
    return wrong(list, value, "id is not a decimal number in range", detail);
  }
  if (id < least) return wrong(list, value, "id is one that is never delivered to", detail);
  return static_cast<std::uint32_t>(id);
}

Result<Quota> find_quota(const DeliverSettings& settings, TableList& list,
                         std::string_view recipient, std::string& detail) {
  std::string value;
  QV_TRY(const maps::Answer answer, list.find(recipient, settings.delimiter, value, detail));
  Quota quota;
  if (answer == maps::Answer::found && !parse_quota(value, quota)) {
    return wrong(list, value, "quota is not one such as 1000000S,1000C", detail);
  }
  return quota;
}

}  // namespace

Result<maps::Answer> TableList::find(std::string_view recipient, std::string_view delimiter,
                                     std::string& value, std::string& detail) {
  maps::AddressKeys keys(recipient, delimiter);
  bool is_whole = true;
  for (std::string_view key; keys.next(key); is_whole = false) {
    for (const std::unique_ptr<maps::Map>& table : tables) {
      if (!is_whole && table->is_pattern()) continue;
      const Result<maps::Answer> answer = table->lookup(key, value);
      if (!answer.ok()) detail = setting + ": " + table->detail();
      if (!answer.ok() || answer.value() == maps::Answer::found) return answer;
    }
  }
  return maps::Answer::absent;
}

RecipientTables open_tables(const DeliverSettings& settings, const maps::MapNotice& notice) {
  RecipientTables all;
  for (const TableSource& source : kSources) {
    std::vector<std::unique_ptr<maps::Map>>& tables = (all.*source.list).tables;
    std::vector<std::string_view> elements;
    if (!split_tables(settings.*source.text, elements)) {
      tables.push_back(maps::make_fail_map({Fault::config, 0, "list of tables"}, kUnbalanced));
      continue;
    }
    for (const std::string_view element : elements) {
      tables.push_back(maps::open_watched_map(element, options_for(source), notice));
    }
  }
  return all;
}

void check_tables(const DeliverSettings& deliver, const control::Settings& settings,
                  std::vector<control::Problem>& problems) {
  RecipientTables names;
  for (const TableSource& source : kSources) {
    const std::string place = settings.place((names.*source.list).setting);
    std::vector<std::string_view> elements;
    if (!split_tables(deliver.*source.text, elements)) {
      problems.push_back({place, 0, kUnbalanced});
      continue;
    }
    for (const std::string_view element : elements) {
      std::string detail;
      const Result<std::unique_ptr<maps::Map>> map =
          maps::open_map(element, options_for(source), detail);
      if (map.ok() && detail.empty()) continue;
      const std::string what = map.ok() ? "" : std::string(map.error().what) + ": ";
      problems.push_back({place, 0, std::string(element) + ": " + what + detail});
    }
  }
}

Result<maps::Answer> find_mailbox(const DeliverSettings& settings, RecipientTables& tables,
                                  std::string_view recipient, Mailbox& mailbox,
                                  std::string& detail) {
  // No table has such a key; some types would misread it.
  if (recipient.empty() || recipient.size() > kMaxRecipient || !is_clean(recipient)) {
    return maps::Answer::absent;
  }
  std::string value;
  QV_TRY(const maps::Answer answer,
         tables.mailbox.find(recipient, settings.delimiter, value, detail));
  if (answer == maps::Answer::absent) return answer;
  const std::uint64_t least_uid = std::max<std::uint64_t>(settings.minimum_uid, 1);
  Mailbox found;
  QV_TRY(found.path, find_path(settings, tables.mailbox, value, detail));
  QV_TRY(found.uid, find_id(settings, tables.uid, recipient, least_uid, detail));
  QV_TRY(found.gid, find_id(settings, tables.gid, recipient, 1, detail));
  QV_TRY(found.quota, find_quota(settings, tables.limit, recipient, detail));
  if (settings.extension_folders && found.is_maildir()) {
    found.folder = extension_folder(extension_of(recipient, settings.delimiter));
  }
  mailbox = std::move(found);
  return maps::Answer::found;
}

}  // namespace qv::deliver
