// SPDX-License-Identifier: 0BSD
#include "verify/options.h"

#include <cstdio>
#include <cstring>

#include "core/text.h"
#include "event/listen.h"
#include "process/jail.h"
#include "rcpt/users_cdb.h"
#include "udpbits.h"
#include "verify/stream_service.h"
#include "verify/tables.h"

namespace qv::verify {

namespace {

using namespace control::setting;

constexpr std::int64_t kSecondUs = 1000000;

std::string check_address(std::string_view word) {
  std::string_view rest = word;
  if (parse_stream_protocol(rest)) {
    if (event::parse_stream_address(rest).ok()) return {};
    return "after the protocol comes unix:/PATH, inet:IP:PORT or inet:[IPv6]:PORT";
  }
  return parse_endpoint(word, kVerifyPort).ok() ? "" : "is not IP:PORT, [IPv6]:PORT, unix:/PATH";
}

control::SettingValue probe_socket(event::StreamAddress& member) {
  return {[&member](std::string_view value) -> std::string {
    Result<event::StreamAddress> address = event::parse_stream_address(value);
    if (!address.ok() || !starts_with(value, "unix:")) {
      return "\"" + std::string(value) + "\": unix:/PATH expected";
    }
    member = std::move(address).value();
    return {};
  }};
}

// Not a mistake: qmail-probe may be started later.
void look_for_probe(const event::StreamAddress& address) {
  bool in_progress = false;
  const Result<Fd> fd = event::start_connect(address, in_progress);
  if (fd.ok()) return;
  std::fprintf(
      stderr,
      "qmail-verify: note: control/verifyprobe names domains, and no server answers on %s: "
      "%s\n",
      address.text.c_str(), strerror(fd.error().errnum));
}

}  // namespace

std::vector<control::Setting> verify_settings(Options& o) {
  rcpt::DotqmailPolicy& dotqmail = o.dotqmail;
  return process::with_process_settings(
      o,
      {{"listen", control::setting::words(o.listen, check_address), "127.0.0.1:11113",
        "addresses to answer on, separated by blanks: IP:PORT, [IPv6]:PORT, unix:/PATH; "
        "PROTOCOL:unix:/PATH, PROTOCOL:inet:IP:PORT (policy, socketmap, tcp_table)",
        "", control::kOfProcess},
       {"socket_mode", control::setting::mode(o.socket_mode), "0666", "mode of Unix sockets, octal",
        "SOCKETMODE LISTENMODE", control::kOfProcess},
       {"account", control::setting::text(o.account), "qmaild",
        "account the daemon becomes when it is started by root, or :UID:GID", "VERIFYUSER",
        control::kOfProcess},
       {"legacytemp", control::setting::choice(o.legacytemp, "ok nok silent"), "ok",
        "answer to a legacy client where the address is undecided"},
       {"log", control::setting::choice(o.log, "all reject none"), "all",
        "decisions to log on standard error", "", control::kOfProcess},
       {"cachettl", control::setting::number(o.cache_ttl_us, 0, 3600, kSecondUs), "1",
        "seconds that answers about accounts and homes may be reused; 0: not at all"},
       {"looktimeout", control::setting::number(o.look_timeout_us, 1, 60, kSecondUs), "2",
        "seconds that a look-up in a home or a name service may take"},
       {"helpers", control::setting::number(o.helpers, 1, 64), "4",
        "processes that look into homes and ask name services"},
       {"verify_fastforwardcdb", control::setting::path(o.fastforward_cdb, true), "",
        "setforward's cdb of the addresses that alias/.qmail-default takes"},
       {"proxymap", control::setting::text(o.proxymap, event::check_stream_address),
        "unix:$qmailhome/proxymap/proxymap", "qmail-proxymap's socket, unix:/PATH or inet:IP:PORT"},
       {"dotqmail",
        control::setting::choice("read exists", [&](std::size_t i) { dotqmail.read = i == 0; }),
        "read", "is a .qmail file read, or is it enough that it exists"},
       {"vdelivermail_delete",
        control::setting::choice("reject accept",
                                 [&](std::size_t i) { dotqmail.discard_accepts = i == 1; }),
        "reject", "addresses whose mail \"vdelivermail '' delete\" would discard"},
       {"vdelivermail_ext", control::setting::yes_no(dotqmail.users_have_extensions), "no",
        "do vpopmail's users have extensions, USER-ANYTHING (its option qmail-ext)"},
       {"probe_socket", probe_socket(o.next_hops.address), "unix:$qmailhome/probe/verify",
        "where qmail-probe answers, for relay domains in control/verifyprobe: unix:/PATH"},
       {"probe_wait", control::setting::number(o.next_hops.wait_us, 0, 3, kSecondUs), "3",
        "seconds to wait for an answer that qmail-probe does not have yet"}});
}

void check_config(const Options& options, const control::Settings& settings,
                  std::vector<control::Problem>& problems) {
  if (!process::check_process_options("qmail-verify", options, settings, problems)) return;
  std::string detail;
  if (!process::find_account("alias", detail).ok()) {
    std::fprintf(stderr,
                 "qmail-verify: note: no account \"alias\": only users' addresses are valid\n");
  }
  const rcpt::QmailConfig config = rcpt::load_config(options.qmailhome, problems);
  rcpt::UsersCdb(options.qmailhome + "/users/cdb").refresh(0, problems);
  if (!options.fastforward_cdb.empty()) {
    rcpt::FastforwardCdb(options.fastforward_cdb).refresh(0, problems);
  }
  check_tables(config.verifymaps, problems);
  if (config.verifyprobe.entries.size() > 0) look_for_probe(options.next_hops.address);
}

}  // namespace qv::verify
