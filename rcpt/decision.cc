// SPDX-License-Identifier: 0BSD
#include "rcpt/decision.h"

namespace qv::rcpt {

namespace {

struct Row {
  Why why;
  Verdict verdict;
  std::string_view word;
  std::string_view text;
  std::string_view smtp = {};
};

using enum Why;
using enum Verdict;

constexpr std::string_view kRefused = "mail for this address is not accepted";

// In the order of the enum.
constexpr Row kRows[] = {
    {local, accept, "local", "a user's own mailbox"},
    {alias, accept, "alias", "an alias: a file of the alias user or an entry of its table"},
    {dotqmail, accept, "dotqmail", "the user has a .qmail file for this extension"},
    {default_file, accept, "default", "a -default file, or a table's @domain, takes this address"},
    {relay, accept, "relay", "the domain is neither local nor virtual: it is only relayed"},
    {table, accept, "table", "the table of control/verifymaps has this address"},
    {next_hop_accepts, accept, "probe", "the next hop of this relay domain takes this address"},
    {accept_all, accept, "accept-all", "the next hop of this relay domain takes any address"},
    {backup_mx, accept, "backup-mx", "this host is a backup for the domain, whose server is down"},
    {unknown_user, reject, "unknown-user",
     "no user, .qmail file, alias or table takes this address",
     "there is no mailbox of this name here"},
    {syntax, reject, "syntax", "not a mail address: empty, without domain, or with control bytes",
     "this is not a mail address"},
    {too_long, reject, "too-long", "an address has at most 900 bytes", "this address is too long"},
    {bounced, reject, "bounced", "a .qmail file or the user's record bounces mail for it",
     kRefused},
    {disabled, reject, "disabled", "the account exists, but has expired or is switched off",
     "this mailbox is disabled"},
    {refused, reject, "refused", "the table of control/verifymaps refuses this address", kRefused},
    {next_hop_refuses, reject, "probe", "the next hop of this relay domain refuses this address",
     "the server behind this one does not take this address"},
    {control_error, defer, "control-error", "a control file is missing or cannot be used"},
    {table_error, defer, "table-error", "a table, or a record of it, is damaged or cannot be read"},
    {deferred, defer, "deferred", "the table of control/verifymaps defers this address"},
    {passwd_error, defer, "passwd-error", "the password file or name service cannot be asked"},
    {home_error, defer, "home-error", "a home directory or .qmail file cannot be looked at"},
    {next_hop_defers, defer, "probe", "the next hop of this relay domain is undecided"},
    {accept_all_undecided, defer, "accept-all",
     "the next hop of this relay domain takes any address, which proves nothing"},
    {probe_pending, defer, "probe-pending", "the next hop of this relay domain is being asked"},
    {unreachable, defer, "unreachable", "the next hop of this relay domain cannot be reached"},
    {sender_refused, defer, "sender-refused",
     "the next hop of this relay domain refuses to talk to qmail-probe"},
    {probe_busy, defer, "busy", "a limit of qmail-probe is reached"},
    {not_probed, defer, "not-probed", "qmail-probe does not ask about this domain"},
    {probe_error, defer, "probe-error", "qmail-probe cannot be asked"},
    {timeout, defer, "timeout", "a look-up took too long"},
};

constexpr bool has_a_row_for_each() {
  std::size_t i = 0;
  for (const Row& row : kRows) {
    if (row.why != static_cast<Why>(i++)) return false;
  }
  return i == static_cast<std::size_t>(timeout) + 1;
}
static_assert(has_a_row_for_each());

// A number outside the enum is undecided: it must never count as an answer.
const Row& row_of(Why why) {
  return kRows[static_cast<std::size_t>(why <= timeout ? why : timeout)];
}

}  // namespace

Verdict verdict_of(Why why) { return row_of(why).verdict; }
std::string_view why_word(Why why) { return row_of(why).word; }
std::string_view why_text(Why why) { return row_of(why).text; }
std::string_view smtp_text(Why why) {
  if (row_of(why).verdict != defer) return row_of(why).smtp;
  return "this address cannot be checked now, please try again later";
}

}  // namespace qv::rcpt
