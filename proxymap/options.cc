// SPDX-License-Identifier: 0BSD
#include "proxymap/options.h"

#include "core/text.h"
#include "event/listen.h"

namespace qv::proxymap {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

constexpr Setting kSettings[] = {
    {.name = "LISTEN",
     .fallback = "",
     .help = "sockets to answer on, separated by blanks: unix:/PATH, inet:IP:PORT "
             "[unix:QMAILHOME/proxymap/proxymap, with -w unix:QMAILHOME/proxymap/proxywrite]"},
    {.name = "SOCKETMODE", .fallback = "0666", .help = "mode of Unix sockets, octal"},
    {.name = "SOCKETGROUP", .fallback = "", .help = "group of Unix sockets, a name or a number"},
    {.name = "QMAILHOME",
     .fallback = QV_QMAILHOME,
     .help = "qmail's directory, with control/ in it"},
    {.name = "PROXYMAPUSER",
     .fallback = "qmaild",
     .help = "account the daemon becomes when it is started by root, or :UID:GID"},
    {.name = "max_use",
     .type = SettingType::number,
     .fallback = "100000",
     .max = 1000000000,
     .help = "look-ups after which a worker process is replaced; 0: never"},
    {.name = "max_idle",
     .type = SettingType::number,
     .fallback = "100",
     .min = 1,
     .max = 86400,
     .help = "seconds without use after which a table is closed"},
    {.name = "ipc_timeout",
     .type = SettingType::number,
     .fallback = "100",
     .min = 1,
     .max = 86400,
     .help = "seconds a client may take for one request, and to read one reply"},
    {.name = "ipc_idle",
     .type = SettingType::number,
     .fallback = "0",
     .max = 86400,
     .help = "seconds after which a client that asks nothing is dropped; 0: never"},
    {.name = "daemon_timeout",
     .type = SettingType::number,
     .fallback = "100",
     .min = 1,
     .max = 86400,
     .help = "seconds a look-up in a networked table may take, waiting included"},
    {.name = "client_limit",
     .type = SettingType::number,
     .fallback = "15000",
     .min = 1,
     .max = 1000000,
     .help = "clients at a time; one more takes the place of the one idle longest"},
    {.name = "message_limit",
     .type = SettingType::number,
     .fallback = "1048576",
     .min = 4096,
     .max = 1073741824,
     .help = "bytes of one request"},
    {.name = "worker_limit",
     .type = SettingType::number,
     .fallback = "16",
     .min = 1,
     .max = 1000,
     .help = "processes that ask networked tables"},
    {.name = "table_concurrency",
     .type = SettingType::number,
     .fallback = "4",
     .min = 1,
     .max = 1000,
     .help = "look-ups in one networked table at a time"},
    {.name = "table_queue_limit",
     .type = SettingType::number,
     .fallback = "1000",
     .max = 1000000,
     .help = "look-ups that wait for one networked table; more are told to try again"},
};

void check_listen(const Options& options, std::vector<Problem>& problems) {
  for (const std::string& text : options.listen) {
    const Result<StreamAddress> address = parse_stream_address(text);
    if (!address.ok()) problems.push_back({"LISTEN", 0, text + ": " + address.error().what});
  }
}

void read_limits(const Settings& settings, Options& options) {
  const auto us = [&settings](std::string_view name) {
    return static_cast<std::int64_t>(settings.number(name)) * kSecondUs;
  };
  options.max_message = settings.number("message_limit");
  options.max_idle_us = us("max_idle");
  options.server.max_clients = settings.number("client_limit");
  options.server.stream.max_input = options.max_message + 1;  // the decoder says it first
  options.server.stream.idle_us = us("ipc_idle");
  options.server.stream.message_us = us("ipc_timeout");
  options.server.stream.drain_us = us("ipc_timeout");
  options.pool.workers = settings.number("worker_limit");
  options.pool.per_lane = settings.number("table_concurrency");
  options.pool.lane_queue = settings.number("table_queue_limit");
  options.pool.time_limit_us = us("daemon_timeout");
  options.pool.max_use = settings.number("max_use");
}

}  // namespace

std::span<const Setting> proxymap_settings() { return kSettings; }

Options read_options(const Settings::Source& source, bool writes, std::vector<Problem>& problems) {
  const Settings settings(kSettings, source, problems);
  Options options;
  options.qmailhome = settings.text("QMAILHOME");
  options.listen = settings.words("LISTEN");
  if (options.listen.empty()) {
    options.listen.push_back("unix:" + options.qmailhome +
                             (writes ? "/proxymap/proxywrite" : "/proxymap/proxymap"));
  }
  options.socket_group = settings.text("SOCKETGROUP");
  options.account = settings.text("PROXYMAPUSER");
  read_limits(settings, options);
  // One process writes a table, one write at a time.
  if (writes) options.pool.per_lane = 1;
  if (!parse_mode(settings.text("SOCKETMODE"), options.socket_mode)) {
    problems.push_back({"SOCKETMODE", 0, "octal digits, at most 0777, expected"});
  }
  if (!starts_with(options.qmailhome, "/")) {
    problems.push_back({"QMAILHOME", 0, "it must begin with a slash"});
  }
  check_listen(options, problems);
  return options;
}

}  // namespace qv::proxymap
