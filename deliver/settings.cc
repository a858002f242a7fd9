// SPDX-License-Identifier: 0BSD
#include "deliver/settings.h"

#include <array>
#include <optional>

#include "core/text.h"
#include "maps/address_keys.h"

namespace qv {

namespace {

constexpr std::uint64_t kMaxBytes = INT64_MAX;
constexpr std::uint64_t kMaxSeconds = 7 * 86400;

constexpr std::array kTable = {
    Setting{"virtual_mailbox_base",
            SettingType::text,
            "",
            0,
            0,
            {},
            "directory in front of every mailbox path; absolute"},
    Setting{"virtual_mailbox_maps",
            SettingType::text,
            "",
            0,
            0,
            {},
            "tables: recipient to mailbox path; a path that ends in / is a maildir"},
    Setting{"virtual_uid_maps", SettingType::text, "", 0, 0, {}, "tables: recipient to user id"},
    Setting{"virtual_gid_maps", SettingType::text, "", 0, 0, {}, "tables: recipient to group id"},
    Setting{"virtual_mailbox_limit_maps",
            SettingType::text,
            "",
            0,
            0,
            {},
            "tables: recipient to quota, such as 1000000S,1000C"},
    Setting{"recipient_delimiter",
            SettingType::text,
            kDefaultDelimiters,
            0,
            0,
            {},
            "characters that separate user and extension; empty: none"},
    Setting{"virtual_minimum_uid",
            SettingType::number,
            "100",
            1,
            4294967294,
            {},
            "user ids below this are never delivered to"},
    Setting{"virtual_mailbox_limit",
            SettingType::number,
            "51200000",
            0,
            kMaxBytes,
            {},
            "bytes of an mbox or of one file of a maildir; 0: no limit"},
    Setting{"virtual_mailbox_lock",
            SettingType::text,
            "fcntl, dotlock",
            0,
            0,
            {},
            "how an mbox is locked: any of fcntl, flock, dotlock"},
    Setting{"deliver_lock_attempts",
            SettingType::number,
            "20",
            1,
            10000,
            {},
            "how often a lock is tried"},
    Setting{"deliver_lock_delay",
            SettingType::text,
            "1s",
            0,
            0,
            {},
            "time between two attempts at a lock"},
    Setting{"stale_lock_time",
            SettingType::text,
            "500s",
            0,
            0,
            {},
            "age at which another program's dotlock is removed"},
    Setting{"strict_mailbox_ownership", SettingType::choice, "yes", 0, 0, "yes no",
            "an mbox must be owned by its recipient"},
    Setting{"virtual_extension_folders", SettingType::choice, "no", 0, 0, "yes no",
            "deliver to the maildir's subfolder named as the extension, where there is one"},
    Setting{"virtual_recipient",
            SettingType::text,
            "$DEFAULT@$HOST $EXT@$HOST",
            0,
            0,
            {},
            "recipient of a .qmail line: the first whose variables are set"},
    Setting{"virtual_spool_directory",
            SettingType::text,
            "/var/tmp",
            0,
            0,
            {},
            "where messages wait that come over LMTP or a pipe"},
    Setting{"message_size_limit",
            SettingType::number,
            "51200000",
            0,
            kMaxBytes,
            {},
            "bytes of a message over LMTP; 0: no limit"},
    Setting{"virtual_recipient_limit",
            SettingType::number,
            "1000",
            1,
            100000,
            {},
            "recipients of a message over LMTP"},
    Setting{"virtual_connection_limit",
            SettingType::number,
            "10000",
            1,
            1000000,
            {},
            "LMTP connections"},
    Setting{"virtual_writer_limit",
            SettingType::number,
            "64",
            1,
            1000,
            {},
            "deliveries at the same time; of one account at most half"},
    Setting{"virtual_destination_concurrency_limit",
            SettingType::number,
            "8",
            1,
            1000,
            {},
            "deliveries at the same time to one mailbox"},
    Setting{"virtual_time_limit",
            SettingType::text,
            "120s",
            0,
            0,
            {},
            "time a delivery over LMTP may take, and may wait for its turn"},
    Setting{"virtual_workers",
            SettingType::number,
            "1",
            1,
            256,
            {},
            "without effect since one process serves all LMTP clients"},
    Setting{"virtual_timeout",
            SettingType::text,
            "300s",
            0,
            0,
            {},
            "time an LMTP client may be silent"},
};

// The control file as one line; nullopt where there is none.
std::optional<std::string> read_setting(const std::string& home, std::string_view name,
                                        std::vector<Problem>& problems) {
  const std::string path = home + "/control/" + std::string(name);
  const Result<std::optional<std::vector<ControlLine>>> lines = read_control_file(path);
  if (!lines.ok()) {
    problems.push_back({path, 0, std::string(lines.error().what) + ": cannot be read"});
    return std::nullopt;
  }
  if (!lines.value()) return std::nullopt;
  std::string text;
  for (const ControlLine& line : *lines.value()) {
    text += (text.empty() ? "" : " ") + line.text;
  }
  return text;
}

void read_seconds(const Settings& settings, std::string_view name, std::uint64_t& out,
                  std::vector<Problem>& problems) {
  const std::string& text = settings.text(name);
  if (parse_seconds(text, kMaxSeconds, out)) return;
  problems.push_back(
      {std::string(name), 0, "\"" + text + "\" is not a time such as 20s, 5m or 2h, at most 7d"});
}

void require(const std::string& value, const char* name, std::vector<Problem>& problems) {
  if (value.empty()) problems.push_back({name, 0, "is not set: nothing can be delivered"});
}

void check_paths(const DeliverSettings& out, std::vector<Problem>& problems) {
  require(out.mailbox_base, "virtual_mailbox_base", problems);
  require(out.mailbox_maps, "virtual_mailbox_maps", problems);
  require(out.uid_maps, "virtual_uid_maps", problems);
  require(out.gid_maps, "virtual_gid_maps", problems);
  if (!out.mailbox_base.empty() && out.mailbox_base.front() != '/') {
    problems.push_back({"virtual_mailbox_base", 0, "is not absolute: begin it with /"});
  }
  if ((out.mailbox_base + "/").find("/../") != std::string::npos) {
    problems.push_back({"virtual_mailbox_base", 0, "holds /../"});
  }
  if (out.spool_directory.empty() || out.spool_directory.front() != '/') {
    problems.push_back({"virtual_spool_directory", 0, "is not absolute: begin it with /"});
  }
}

DeliverSettings take_values(const Settings& settings, std::vector<Problem>& problems) {
  DeliverSettings out;
  out.mailbox_base = settings.text("virtual_mailbox_base");
  out.mailbox_maps = settings.text("virtual_mailbox_maps");
  out.uid_maps = settings.text("virtual_uid_maps");
  out.gid_maps = settings.text("virtual_gid_maps");
  out.limit_maps = settings.text("virtual_mailbox_limit_maps");
  out.delimiter = settings.text("recipient_delimiter");
  out.minimum_uid = settings.number("virtual_minimum_uid");
  out.mailbox_limit = settings.number("virtual_mailbox_limit");
  out.strict_ownership = settings.choice("strict_mailbox_ownership") == 0;
  out.extension_folders = settings.choice("virtual_extension_folders") == 0;
  out.recipient_words = settings.text("virtual_recipient");
  out.spool_directory = settings.text("virtual_spool_directory");
  out.message_limit = settings.number("message_size_limit");
  out.recipient_limit = settings.number("virtual_recipient_limit");
  out.connection_limit = settings.number("virtual_connection_limit");
  out.writer_limit = settings.number("virtual_writer_limit");
  out.mailbox_concurrency = settings.number("virtual_destination_concurrency_limit");
  read_seconds(settings, "virtual_time_limit", out.time_limit, problems);
  read_seconds(settings, "virtual_timeout", out.timeout, problems);
  return out;
}

void take_locks(const Settings& settings, LockPolicy& locks, std::vector<Problem>& problems) {
  const std::string& style = settings.text("virtual_mailbox_lock");
  if (!parse_lock_style(style, locks.style)) {
    problems.push_back(
        {"virtual_mailbox_lock", 0, "\"" + style + "\" is not a list of fcntl, flock and dotlock"});
  }
  std::uint64_t delay = 1;
  std::uint64_t stale = 500;
  read_seconds(settings, "deliver_lock_delay", delay, problems);
  read_seconds(settings, "stale_lock_time", stale, problems);
  locks.attempts = static_cast<unsigned int>(settings.number("deliver_lock_attempts"));
  locks.delay = static_cast<unsigned int>(delay);
  locks.stale = static_cast<unsigned int>(stale);
}

}  // namespace

std::span<const Setting> deliver_setting_table() { return kTable; }

bool parse_override(std::string_view text,
                    std::map<std::string, std::string, std::less<>>& overrides) {
  const std::size_t equals = find_byte(text, '=');
  if (equals == 0 || equals == text.size()) return false;
  const std::string name(trim_blanks(first_bytes(text, equals)));
  overrides[name] = std::string(trim_blanks(after_bytes(text, equals + 1)));
  return !name.empty();
}

bool parse_seconds(std::string_view text, std::uint64_t max, std::uint64_t& seconds) {
  std::uint64_t unit = 1;
  if (!text.empty() && !is_digit(text.back())) {
    switch (text.back()) {
      case 's':
        unit = 1;
        break;
      case 'm':
        unit = 60;
        break;
      case 'h':
        unit = 3600;
        break;
      case 'd':
        unit = 86400;
        break;
      case 'w':
        unit = 604800;
        break;
      default:
        return false;
    }
    text.remove_suffix(1);
  }
  std::uint64_t value = 0;
  if (!parse_decimal(text, max / unit, value)) return false;
  seconds = value * unit;
  return true;
}

DeliverSettings read_deliver_settings(
    const std::string& home, const std::map<std::string, std::string, std::less<>>& overrides,
    std::vector<Problem>& problems) {
  const auto source = [&](std::string_view name) -> std::optional<std::string> {
    const auto given = overrides.find(name);
    if (given != overrides.end()) return given->second;
    return read_setting(home, name, problems);
  };
  const Settings settings(kTable, source, problems);
  for (const auto& [name, value] : overrides) {
    bool known = false;
    for (const Setting& setting : kTable) known = known || setting.name == name;
    if (!known) problems.push_back({name, 0, "there is no such setting"});
  }
  DeliverSettings out = take_values(settings, problems);
  take_locks(settings, out.locks, problems);
  check_paths(out, problems);
  return out;
}

}  // namespace qv
