// SPDX-License-Identifier: 0BSD
#include "rcpt/decision.h"

namespace qv {

namespace {

struct Row {
  Verdict verdict;
  std::string_view word;
  std::string_view text;
  std::string_view smtp;
};

constexpr std::string_view kNoMailbox = "there is no mailbox of this name here";
constexpr std::string_view kTryLater = "this address cannot be checked now, please try again later";

constexpr Row row_of(Why why) {
  using enum Verdict;
  switch (why) {
    case Why::local:
      return {accept, "local", "a user's own mailbox", ""};
    case Why::alias:
      return {accept, "alias", "an alias: a file of the alias user or an entry of its table", ""};
    case Why::dotqmail:
      return {accept, "dotqmail", "the user has a .qmail file for this extension", ""};
    case Why::default_file:
      return {accept, "default", "a -default file, or a table's @domain, takes this address", ""};
    case Why::relay:
      return {accept, "relay", "the domain is neither local nor virtual: it is only relayed", ""};
    case Why::table:
      return {accept, "table", "the table of control/verifymaps has this address", ""};
    case Why::next_hop_accepts:
      return {accept, "probe", "the server that the domain is relayed to takes this address", ""};
    case Why::accept_all:
      return {accept, "accept-all", "the server that the domain is relayed to takes any address",
              ""};
    case Why::backup_mx:
      return {accept, "backup-mx", "this host is a backup for the domain, whose server is down",
              ""};
    case Why::unknown_user:
      return {reject, "unknown-user", "no user, .qmail file, alias or table takes this address",
              kNoMailbox};
    case Why::syntax:
      return {reject, "syntax", "not a mail address: empty, without domain, or with control bytes",
              "this is not a mail address"};
    case Why::too_long:
      return {reject, "too-long", "an address has at most 900 bytes", "this address is too long"};
    case Why::bounced:
      return {reject, "bounced", "a .qmail file or the user's record has mail for it bounced",
              "mail for this address is not accepted"};
    case Why::disabled:
      return {reject, "disabled", "the user is there, but expired or switched off",
              "this mailbox is disabled"};
    case Why::refused:
      return {reject, "refused", "the table of control/verifymaps refuses this address",
              "mail for this address is not accepted"};
    case Why::next_hop_refuses:
      return {reject, "probe", "the server that the domain is relayed to refuses this address",
              "the server behind this one does not take this address"};
    case Why::control_error:
      return {defer, "control-error", "a control file is missing or cannot be used", kTryLater};
    case Why::table_error:
      return {defer, "table-error", "a table, or a record of it, is damaged or cannot be read",
              kTryLater};
    case Why::deferred:
      return {defer, "deferred", "the table of control/verifymaps defers this address", kTryLater};
    case Why::passwd_error:
      return {defer, "passwd-error", "the user data base cannot be asked", kTryLater};
    case Why::home_error:
      return {defer, "home-error", "a home directory or .qmail file cannot be looked at",
              kTryLater};
    case Why::next_hop_defers:
      return {defer, "probe", "the server that the domain is relayed to cannot tell now",
              kTryLater};
    case Why::accept_all_undecided:
      return {defer, "accept-all", "the server that the domain is relayed to takes any address",
              kTryLater};
    case Why::probe_pending:
      return {defer, "probe-pending", "the server that the domain is relayed to is being asked",
              kTryLater};
    case Why::unreachable:
      return {defer, "unreachable", "the server that the domain is relayed to cannot be reached",
              kTryLater};
    case Why::sender_refused:
      return {defer, "sender-refused", "the server that the domain is relayed to refuses to talk",
              kTryLater};
    case Why::probe_busy:
      return {defer, "busy", "a limit of qmail-probe is reached", kTryLater};
    case Why::not_probed:
      return {defer, "not-probed", "qmail-probe does not ask about this domain", kTryLater};
    case Why::probe_error:
      return {defer, "probe-error", "qmail-probe cannot be asked", kTryLater};
    case Why::timeout:
      return {defer, "timeout", "a look-up took too long", kTryLater};
  }
  return {defer, "timeout", "", kTryLater};
}

}  // namespace

Verdict verdict_of(Why why) { return row_of(why).verdict; }
std::string_view why_word(Why why) { return row_of(why).word; }
std::string_view why_text(Why why) { return row_of(why).text; }
std::string_view smtp_text(Why why) { return row_of(why).smtp; }

}  // namespace qv
