// SPDX-License-Identifier: 0BSD
#include "probe/options.h"

#include "core/text.h"
#include "event/listen.h"
#include "event/redis_client.h"
#include "wire/smtp_address.h"

namespace qv::probe {

namespace {

using namespace control::setting;

constexpr std::int64_t kMax_s = control::kMaxDuration_s;

std::string check_address(std::string_view word) {
  const std::string wrong = event::check_stream_address(word);
  if (!wrong.empty() || starts_with(word, "unix:")) return wrong;
  return "only Unix sockets tell which account asks";
}

std::string refused(std::string_view word, const char* expected) {
  return "\"" + std::string(word) + "\": " + expected + " expected";
}

control::SettingValue cache(ProbeOptions& o) {
  return {[&o](std::string_view value) -> std::string {
    std::string lmdb_path;
    std::string redis;
    if (trim_blanks(value).empty()) return "is empty: write memory: for a cache in memory";
    while (!value.empty()) {
      const std::string_view word = take_until(value, ' ');
      if (word == "memory:" || word.empty()) continue;
      if (starts_with(word, "redis:") && event::RedisClient::is_place(after_bytes(word, 6))) {
        redis = after_bytes(word, 6);
      } else if (const auto file = lmdb_file_of(word)) {
        lmdb_path = *file;
      } else {
        return refused(word, "lmdb:/PATH, memory:, redis:HOST:PORT");
      }
    }
    o.lmdb_path = std::move(lmdb_path);
    o.redis = std::move(redis);
    return {};
  }};
}

control::SettingValue sender(std::string& member) {
  return {[&member](std::string_view value) -> std::string {
    const bool is_null = value.empty() || value == "<>";
    if (!is_null && (!wire::smtp_mailbox(value) || wire::needs_smtputf8(value))) {
      return refused(value, "an address or <>");
    }
    member = is_null ? "" : value;
    return {};
  }};
}

control::SettingValue ports(std::set<std::uint16_t>& member) {
  return {[&member](std::string_view value) -> std::string {
    std::set<std::uint16_t> found;
    while (!value.empty()) {
      const std::string_view word = take_until(value, ' ');
      std::uint64_t port = 0;
      if (word.empty()) continue;
      if (!parse_decimal(word, 65535, port) || port == 0) return refused(word, "a port");
      found.insert(static_cast<std::uint16_t>(port));
    }
    member = std::move(found);
    return {};
  }};
}

control::SettingValue accept_all(ServiceSettings& service) {
  return control::setting::choice("valid undecided ignore", [&service](std::size_t index) {
    service.accept_all = index == 1 ? cache::RecipientStatus::defer : cache::RecipientStatus::ok;
    service.domain_check =
        index == 2 ? ProbeDriver::DomainCheck::no : ProbeDriver::DomainCheck::yes;
  });
}

}  // namespace

std::vector<control::Setting> probe_settings(ProbeOptions& o) {
  cache::CacheTimes& times = o.service.times;
  ProbeLimits& limits = o.limits;
  event::StreamLimits& stream = o.server.stream;
  stream.max_input = 128u << 10;  // the decoder says it first
  return process::with_process_settings(
      o,
      {
          {"listen", control::setting::words(o.listen, check_address),
           "unix:$qmailhome/probe/verify", "sockets to answer on, separated by blanks: unix:/PATH",
           "", control::kOfProcess},
          {"socket_mode", control::setting::mode(o.socket_mode), "0666",
           "mode of Unix sockets, octal", "SOCKETMODE LISTENMODE", control::kOfProcess},
          {"account", control::setting::text(o.account), "qmaild",
           "account the daemon becomes when it is started by root, or :UID:GID", "PROBEUSER",
           control::kOfProcess},
          {"address_verify_map", cache(o), "lmdb:$qmailhome/probe/cache",
           "the cache: lmdb:/PATH or memory:, redis:HOST:PORT or redis:/SOCKET, or one of each"},
          {"address_verify_sender", sender(o.sender), "<>",
           "MAIL FROM of probes: an address, or <>"},
          {"address_verify_positive_expire_time",
           control::setting::duration(times.positive_expire, 'd', 1, kMax_s), "31d",
           "how long a positive answer lasts"},
          {"address_verify_positive_refresh_time",
           control::setting::duration(times.positive_refresh, 'd', 1, kMax_s), "7d",
           "age from which a positive answer is refreshed behind the old one"},
          {"address_verify_negative_cache", control::setting::yes_no(times.negative_cache), "yes",
           "whether negative answers are stored"},
          {"address_verify_negative_expire_time",
           control::setting::duration(times.negative_expire, 'd', 1, kMax_s), "3d",
           "how long a negative answer lasts"},
          {"address_verify_negative_refresh_time",
           control::setting::duration(times.negative_refresh, 'h', 1, kMax_s), "3h",
           "age from which a negative answer is refreshed behind the old one"},
          {"address_verify_cache_cleanup_interval",
           control::setting::duration(o.cleanup_interval_s, 'h', 0, kMax_s), "12h",
           "time between clean-ups of the cache; 0: none"},
          {"probe_defer_time", control::setting::duration(times.defer_hold, 's', 0, kMax_s), "5m",
           "how long a temporary answer about an address lasts"},
          {"probe_accept_all", accept_all(o.service), "valid",
           "answer for a domain that accepts every address; ignore: do not find out"},
          {"probe_accept_all_time", control::setting::duration(times.accept_all, 'd', 1, kMax_s),
           "1d", "how long the finding lasts that a domain accepts every address or not"},
          {"probe_cache_entries", control::setting::number(o.cache_entries, 1, 100000000), "100000",
           "entries of the cache"},
          {"probe_pending_limit", control::setting::number(limits.pending, 1, 1000000), "1000",
           "addresses being verified at a time"},
          {"probe_host_concurrency", control::setting::number(limits.connections_per_host, 1, 1000),
           "4", "connections to one next hop at a time"},
          {"probe_domain_rate", control::setting::number(limits.rate, 0, 1000000), "120",
           "probes a minute for one line of control/verifyprobe; 0: no limit"},
          {"probe_recipients", control::setting::number(limits.recipients_per_connection, 1, 1000),
           "10", "recipients asked about on one connection"},
          {"probe_connect_timeout",
           control::setting::duration(limits.connect_us, 's', 1, kMax_s, kSecond_us), "10s",
           "time for a connection"},
          {"probe_step_timeout",
           control::setting::duration(limits.step_us, 's', 1, kMax_s, kSecond_us), "30s",
           "time for the reply to a command"},
          {"probe_timeout",
           control::setting::duration(limits.whole_us, 's', 1, times.probe_lost, kSecond_us), "90s",
           "time for a whole probe"},
          {"probe_helo_name", control::setting::text(o.hello_name), "",
           "name for EHLO [the first line of control/me]"},
          {"probe_own_ports", ports(o.own_ports), "25",
           "ports of this host's own SMTP servers, which are never asked"},
          {"resolv_conf", control::setting::text(o.resolv_conf), "/etc/resolv.conf",
           "file that names the name servers"},
          {"client_limit", control::setting::number(o.server.max_clients, 1, 1000000), "15000",
           "clients at a time; one more takes the place of the one idle longest"},
          {"ipc_timeout",
           control::setting::duration(
               's', 1, 86400,
               [&](std::int64_t s) { stream.message_us = stream.drain_us = s * kSecond_us; }),
           "100", "time a client may take for one request, and to read one reply"},
      });
}

std::optional<std::string> lmdb_file_of(std::string_view table) {
  if (!starts_with(table, "lmdb:/")) return std::nullopt;
  std::string file(after_bytes(table, 5));
  if (!ends_with(file, ".lmdb")) file += ".lmdb";
  return file;
}

}  // namespace qv::probe
