// SPDX-License-Identifier: 0BSD
#include "probe/options.h"

#include "control/duration.h"
#include "core/text.h"
#include "event/listen.h"
#include "event/redis_client.h"
#include "wire/smtp_address.h"

namespace qv {

namespace {

constexpr Setting number(std::string_view name, std::string_view fallback, std::uint64_t min,
                         std::uint64_t max, std::string_view help) {
  return {.name = name,
          .type = SettingType::number,
          .fallback = fallback,
          .min = min,
          .max = max,
          .help = help};
}

constexpr Setting kSettings[] = {
    {.name = "LISTEN",
     .fallback = "",
     .help = "sockets to answer on, separated by blanks: unix:/PATH "
             "[unix:QMAILHOME/probe/verify]"},
    {.name = "SOCKETMODE", .fallback = "0666", .help = "mode of the sockets, octal"},
    {.name = "SOCKETGROUP", .fallback = "", .help = "group of the sockets, a name or a number"},
    {.name = "QMAILHOME",
     .fallback = QV_QMAILHOME,
     .help = "qmail's directory, with control/ in it"},
    {.name = "PROBEUSER",
     .fallback = "qmaild",
     .help = "account the daemon becomes when it is started by root, or :UID:GID"},
    {.name = "address_verify_map",
     .fallback = "",
     .help = "the cache: lmdb:/PATH, memory:, redis:HOST:PORT, redis:/SOCKET, or a local one and "
             "redis separated by a blank [lmdb:QMAILHOME/probe/cache]"},
    {.name = "address_verify_sender",
     .fallback = "<>",
     .help = "MAIL FROM of probes: an address, or <>"},
    {.name = "address_verify_positive_expire_time",
     .fallback = "31d",
     .help = "how long a positive answer lasts"},
    {.name = "address_verify_positive_refresh_time",
     .fallback = "7d",
     .help = "age from which a positive answer is asked for again behind the old one"},
    {.name = "address_verify_negative_cache",
     .type = SettingType::choice,
     .fallback = "yes",
     .choices = "yes no",
     .help = "whether negative answers are remembered"},
    {.name = "address_verify_negative_expire_time",
     .fallback = "3d",
     .help = "how long a negative answer lasts"},
    {.name = "address_verify_negative_refresh_time",
     .fallback = "3h",
     .help = "age from which a negative answer is asked for again behind the old one"},
    {.name = "address_verify_cache_cleanup_interval",
     .fallback = "12h",
     .help = "time between clean-ups of the cache; 0: none"},
    {.name = "probe_defer_time",
     .fallback = "5m",
     .help = "how long a temporary answer about an address lasts"},
    {.name = "probe_accept_all",
     .type = SettingType::choice,
     .fallback = "valid",
     .choices = "valid undecided ignore",
     .help = "what addresses of a domain are whose next hop accepts every address; ignore: it is "
             "not found out"},
    {.name = "probe_accept_all_time",
     .fallback = "1d",
     .help = "how long is believed whether a domain accepts every address"},
    number("probe_cache_entries", "100000", 1, 100000000, "entries of the cache"),
    number("probe_pending_limit", "1000", 1, 1000000, "addresses being verified at a time"),
    number("probe_host_concurrency", "4", 1, 1000, "connections to one next hop at a time"),
    number("probe_domain_rate", "120", 0, 1000000,
           "probes a minute for one line of control/verifyprobe; 0: no limit"),
    number("probe_recipients", "10", 1, 1000, "recipients asked about on one connection"),
    {.name = "probe_connect_timeout", .fallback = "10s", .help = "time for a connection"},
    {.name = "probe_step_timeout", .fallback = "30s", .help = "time for the reply to a command"},
    {.name = "probe_timeout", .fallback = "90s", .help = "time for a whole probe"},
    {.name = "probe_helo_name",
     .fallback = "",
     .help = "name for EHLO [the first line of control/me]"},
    {.name = "probe_own_ports",
     .fallback = "25",
     .help = "ports on which this host's own SMTP servers listen, which are never asked"},
    {.name = "resolv_conf",
     .fallback = "/etc/resolv.conf",
     .help = "file that names the name servers"},
    number("client_limit", "15000", 1, 1000000,
           "clients at a time; one more takes the place of the one idle longest"),
    number("ipc_timeout", "100", 1, 86400,
           "seconds a client may take for one request, and to read one reply"),
};

// Reads durations, and notes what is not one.
class Durations {
 public:
  Durations(const Settings& settings, std::vector<Problem>& problems)
      : settings_(settings), problems_(problems) {}

  // At least `least` seconds.
  std::int64_t seconds(std::string_view name, char unit, std::int64_t least) {
    const std::string& text = settings_.text(name);
    const std::optional<std::int64_t> value = parse_duration(text, unit);
    if (value && *value >= least) return *value;
    problems_.push_back({std::string(name), 0, "\"" + text + "\": " + kExpected});
    return least;
  }
  std::int64_t us(std::string_view name, char unit, std::int64_t least) {
    return seconds(name, unit, least) * kSecond_us;
  }

 private:
  static constexpr const char* kExpected =
      "a number with s, m, h, d or w behind it, not too small, expected";
  const Settings& settings_;
  std::vector<Problem>& problems_;
};

void read_map(const Settings& settings, ProbeOptions& options, std::vector<Problem>& problems) {
  std::vector<std::string> words = settings.words("address_verify_map");
  if (words.empty()) words.push_back("lmdb:" + options.qmailhome + "/probe/cache");
  for (const std::string& word : words) {
    if (word == "memory:") continue;
    if (starts_with(word, "redis:") && RedisClient::is_place(after_bytes(word, 6))) {
      options.redis = word.substr(6);
    } else if (const auto file = lmdb_file_of(word)) {
      options.lmdb_path = *file;
    } else {
      problems.push_back({"address_verify_map", 0,
                          "\"" + word + "\": lmdb:/PATH, memory:, redis:HOST:PORT expected"});
    }
  }
}

void read_times(const Settings& settings, ProbeOptions& options, std::vector<Problem>& problems) {
  Durations durations(settings, problems);
  CacheTimes& times = options.service.times;
  times.positive_expire = durations.seconds("address_verify_positive_expire_time", 'd', 1);
  times.positive_refresh = durations.seconds("address_verify_positive_refresh_time", 'd', 1);
  times.negative_expire = durations.seconds("address_verify_negative_expire_time", 'd', 1);
  times.negative_refresh = durations.seconds("address_verify_negative_refresh_time", 'h', 1);
  times.negative_cache = settings.choice("address_verify_negative_cache") == 0;
  times.defer_hold = durations.seconds("probe_defer_time", 's', 0);
  times.accept_all = durations.seconds("probe_accept_all_time", 'd', 1);
  options.cleanup_interval_s = durations.seconds("address_verify_cache_cleanup_interval", 'h', 0);
  ProbeLimits& limits = options.limits;
  limits.connect_us = durations.us("probe_connect_timeout", 's', 1);
  limits.step_us = durations.us("probe_step_timeout", 's', 1);
  limits.whole_us = durations.us("probe_timeout", 's', 1);
  if (limits.whole_us > times.probe_lost * kSecond_us) {
    problems.push_back({"probe_timeout", 0, "a probe counts as lost after 1000 s"});
  }
}

void read_accept_all(const Settings& settings, ProbeOptions& options) {
  enum : std::size_t { kValid, kUndecided, kIgnore };
  const std::size_t choice = settings.choice("probe_accept_all");
  options.service.accept_all = choice == kUndecided ? RecipientStatus::defer : RecipientStatus::ok;
  options.service.domain_check =
      choice == kIgnore ? ProbeDriver::DomainCheck::no : ProbeDriver::DomainCheck::yes;
}

void read_limits(const Settings& settings, ProbeOptions& options) {
  options.cache_entries = settings.number("probe_cache_entries");
  options.limits.pending = settings.number("probe_pending_limit");
  options.limits.connections_per_host = settings.number("probe_host_concurrency");
  options.limits.rate = settings.number("probe_domain_rate");
  options.limits.recipients_per_connection =
      static_cast<unsigned>(settings.number("probe_recipients"));
  const auto ipc_us = static_cast<std::int64_t>(settings.number("ipc_timeout")) * kSecond_us;
  options.server.max_clients = settings.number("client_limit");
  options.server.stream.max_input = 128u << 10;  // the decoder says it first
  options.server.stream.message_us = ipc_us;
  options.server.stream.drain_us = ipc_us;
}

void read_sender(const Settings& settings, ProbeOptions& options, std::vector<Problem>& problems) {
  const std::string& sender = settings.text("address_verify_sender");
  if (sender.empty() || sender == "<>") return;
  options.sender = sender;
  if (smtp_mailbox(sender) && !needs_smtputf8(sender)) return;
  problems.push_back({"address_verify_sender", 0, "\"" + sender + "\": an address or <> expected"});
}

void read_ports(const Settings& settings, ProbeOptions& options, std::vector<Problem>& problems) {
  for (const std::string& word : settings.words("probe_own_ports")) {
    std::uint64_t port = 0;
    if (parse_decimal(word, 65535, port) && port > 0) {
      options.own_ports.insert(static_cast<std::uint16_t>(port));
    } else {
      problems.push_back({"probe_own_ports", 0, "\"" + word + "\": a port expected"});
    }
  }
}

void check_listen(const ProbeOptions& options, std::vector<Problem>& problems) {
  for (const std::string& text : options.listen) {
    const Result<StreamAddress> address = parse_stream_address(text);
    if (!address.ok()) {
      problems.push_back({"LISTEN", 0, text + ": " + address.error().what});
    } else if (!starts_with(text, "unix:")) {
      problems.push_back({"LISTEN", 0, text + ": who asks is known on Unix sockets only"});
    }
  }
}

}  // namespace

std::span<const Setting> probe_settings() { return kSettings; }

std::optional<std::string> lmdb_file_of(std::string_view table) {
  if (!starts_with(table, "lmdb:/")) return std::nullopt;
  std::string file(after_bytes(table, 5));
  if (!ends_with(file, ".lmdb")) file += ".lmdb";
  return file;
}

std::optional<std::string> from_environment_or_control(std::string_view name) {
  std::optional<std::string> value = from_environment(name);
  const bool has_file = !name.empty() && name.front() >= 'a' && name.front() <= 'z';
  if (value || !has_file) return value;
  const std::string home = from_environment("QMAILHOME").value_or(QV_QMAILHOME);
  const auto lines = read_control_file(home + "/control/" + std::string(name));
  if (!lines.ok() || !lines.value() || lines.value()->empty()) return std::nullopt;
  return lines.value()->front().text;
}

ProbeOptions read_probe_options(const Settings::Source& source, std::vector<Problem>& problems) {
  const Settings settings(kSettings, source, problems);
  ProbeOptions options;
  options.qmailhome = settings.text("QMAILHOME");
  options.listen = settings.words("LISTEN");
  if (options.listen.empty())
    options.listen.push_back("unix:" + options.qmailhome + "/probe/verify");
  options.socket_group = settings.text("SOCKETGROUP");
  options.account = settings.text("PROBEUSER");
  options.hello_name = settings.text("probe_helo_name");
  options.resolv_conf = settings.text("resolv_conf");
  if (!parse_mode(settings.text("SOCKETMODE"), options.socket_mode)) {
    problems.push_back({"SOCKETMODE", 0, "octal digits, at most 0777, expected"});
  }
  if (!starts_with(options.qmailhome, "/")) {
    problems.push_back({"QMAILHOME", 0, "it must begin with a slash"});
  }
  read_map(settings, options, problems);
  read_times(settings, options, problems);
  read_accept_all(settings, options);
  read_limits(settings, options);
  read_sender(settings, options, problems);
  read_ports(settings, options, problems);
  check_listen(options, problems);
  return options;
}

}  // namespace qv
