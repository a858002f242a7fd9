// SPDX-License-Identifier: 0BSD
#include "verify/options.h"

#include "core/text.h"
#include "event/listen.h"

namespace qv {

namespace {

constexpr std::int64_t kSecondUs = 1000000;

constexpr Setting kSettings[] = {
    {.name = "LISTEN",
     .fallback = "127.0.0.1:11113",
     .help = "addresses to answer on, separated by blanks: IP:PORT, [IPv6]:PORT, unix:/PATH; "
             "PROTOCOL:unix:/PATH, PROTOCOL:inet:IP:PORT (policy, socketmap, tcp_table)"},
    {.name = "QMAILHOME",
     .fallback = QV_QMAILHOME,
     .help = "qmail's directory, with control/ and users/ in it"},
    {.name = "VERIFYUSER",
     .fallback = "qmaild",
     .help = "account the daemon becomes when it is started by root, or :UID:GID"},
    {.name = "LEGACYTEMP",
     .type = SettingType::choice,
     .fallback = "ok",
     .choices = "ok nok silent",
     .help = "answer to a legacy client where the true one is \"cannot tell now\""},
    {.name = "LOG",
     .type = SettingType::choice,
     .fallback = "all",
     .choices = "all reject none",
     .help = "decisions to log on standard error"},
    {.name = "CACHETTL",
     .type = SettingType::number,
     .fallback = "1",
     .min = 0,
     .max = 3600,
     .help = "seconds that what was seen in passwd or a home may be reused; 0: not at all"},
    {.name = "LOOKTIMEOUT",
     .type = SettingType::number,
     .fallback = "2",
     .min = 1,
     .max = 60,
     .help = "seconds a look into a home or a name service may take"},
    {.name = "HELPERS",
     .type = SettingType::number,
     .fallback = "4",
     .min = 1,
     .max = 64,
     .help = "processes that look into homes and ask name services"},
    {.name = "VERIFY_FASTFORWARDCDB",
     .fallback = "",
     .help = "setforward's cdb that says which addresses alias/.qmail-default takes"},
    {.name = "PROXYMAP",
     .fallback = "",
     .help = "qmail-proxymap's socket, unix:/PATH or inet:IP:PORT; empty: "
             "unix:$QMAILHOME/proxymap/proxymap"},
    {.name = "DOTQMAIL",
     .type = SettingType::choice,
     .fallback = "read",
     .choices = "read exists",
     .help = "is a .qmail file read, or is it enough that it exists"},
    {.name = "VDELIVERMAIL_DELETE",
     .type = SettingType::choice,
     .fallback = "reject",
     .choices = "reject accept",
     .help = "addresses whose mail \"vdelivermail '' delete\" would discard"},
    {.name = "VDELIVERMAIL_EXT",
     .type = SettingType::choice,
     .fallback = "no",
     .choices = "no yes",
     .help = "do vpopmail's users have extensions, USER-ANYTHING (its option qmail-ext)"},
    {.name = "PROBE_SOCKET",
     .fallback = "",
     .help = "where qmail-probe answers, for relay domains in control/verifyprobe: unix:/PATH "
             "[unix:QMAILHOME/probe/verify]"},
    {.name = "PROBE_WAIT",
     .type = SettingType::number,
     .fallback = "3",
     .min = 0,
     .max = 3,
     .help = "seconds to wait for what qmail-probe does not know yet"},
};

void require_absolute(std::string_view name, const std::string& path,
                      std::vector<Problem>& problems) {
  if (starts_with(path, "/")) return;
  problems.push_back({std::string(name), 0, "\"" + path + "\" does not begin with a slash"});
}

NextHopSettings read_next_hops(const Settings& settings, std::vector<Problem>& problems) {
  NextHopSettings next_hops;
  next_hops.wait_us = static_cast<std::int64_t>(settings.number("PROBE_WAIT")) * kSecondUs;
  std::string text = settings.text("PROBE_SOCKET");
  const bool is_set = !text.empty();
  if (!is_set) text = "unix:" + settings.text("QMAILHOME") + "/probe/verify";
  Result<StreamAddress> address = parse_stream_address(text);
  if (address.ok() && starts_with(text, "unix:")) {
    next_hops.address = std::move(address).value();
  } else if (is_set) {
    problems.push_back({"PROBE_SOCKET", 0, "\"" + text + "\": unix:/PATH expected"});
  }
  return next_hops;
}

}  // namespace

std::span<const Setting> verify_settings() { return kSettings; }

Options read_options(const Settings::Source& source, std::vector<Problem>& problems) {
  const Settings settings(kSettings, source, problems);
  Options options;
  options.qmailhome = settings.text("QMAILHOME");
  options.listen = settings.words("LISTEN");
  options.account = settings.text("VERIFYUSER");
  options.legacytemp = static_cast<LegacyTemp>(settings.choice("LEGACYTEMP"));
  options.log = static_cast<LogWhat>(settings.choice("LOG"));
  options.cache_ttl_us = static_cast<std::int64_t>(settings.number("CACHETTL")) * kSecondUs;
  options.look_timeout_us = static_cast<std::int64_t>(settings.number("LOOKTIMEOUT")) * kSecondUs;
  options.helpers = static_cast<std::uint32_t>(settings.number("HELPERS"));
  options.fastforward_cdb = settings.text("VERIFY_FASTFORWARDCDB");

  options.proxymap = settings.text("PROXYMAP");
  if (options.proxymap.empty()) {
    options.proxymap = "unix:" + options.qmailhome + "/proxymap/proxymap";
  }

  options.dotqmail.read = settings.choice("DOTQMAIL") == 0;
  options.dotqmail.discard_accepts = settings.choice("VDELIVERMAIL_DELETE") == 1;
  options.dotqmail.users_have_extensions = settings.choice("VDELIVERMAIL_EXT") == 1;

  require_absolute("QMAILHOME", options.qmailhome, problems);
  options.next_hops = read_next_hops(settings, problems);
  if (!options.fastforward_cdb.empty()) {
    require_absolute("VERIFY_FASTFORWARDCDB", options.fastforward_cdb, problems);
  }
  if (!parse_stream_address(options.proxymap).ok()) {
    problems.push_back({"PROXYMAP", 0,
                        "\"" + options.proxymap +
                            "\" is not unix:/PATH, inet:IP:PORT or "
                            "inet:[IPv6]:PORT"});
  }
  if (options.listen.empty()) problems.push_back({"LISTEN", 0, "no address in it"});
  return options;
}

}  // namespace qv
