// SPDX-License-Identifier: 0BSD
#include "rcpt/decide.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "core/check.h"
#include "core/text.h"
#include "rcpt/steps.h"

namespace qv::rcpt {

Next DecisionRun::failed(const Error& error, Why otherwise, std::uint8_t position) {
  return decided(error.errnum == ETIMEDOUT ? Why::timeout : otherwise, position);
}

Next DecisionRun::not_usable(std::string_view file) {
  explain(file, ": cannot be used now, and is needed to decide");
  return decided(Why::control_error, 0);
}

void DecisionRun::add(std::string& out, Quoted text) {
  const std::size_t before = out.size() + 1;
  out.resize(before + 4 * text.bytes.size());
  out[before - 1] = '"';
  out.resize(before + escape(text.bytes, out.data() + before, 4 * text.bytes.size()));
  out += '"';
}

namespace {

// ---- from an address to the local part that is looked up, as qmail-send does
// ---------------------

bool is_control_character(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

Next check_syntax(DecisionRun& run, std::string_view address) {
  if (address.size() > kMaxAddress) {
    run.explain("address: ", address.size(), " bytes, and at most ", kMaxAddress, " are allowed");
    return run.decided(Why::too_long, 0);
  }
  if (!address.empty() && std::none_of(address.begin(), address.end(), is_control_character)) {
    return Next::go_on;
  }
  run.explain("address: ", Quoted{address}, " is empty or holds a control character");
  return run.decided(Why::syntax, 0);
}

// CVE-2020-3811: without a name to append, the address is undecided.
Next qualify(DecisionRun& run, std::string_view address, Rewritten& out) {
  QV_CHECK(out.address.append(address));
  out.at = find_last_byte(address, '@');
  if (out.at < address.size()) return Next::go_on;
  const ControlName& host = run.in.config.envnoathost;
  if (!host.usable || !out.address.append('@') || !out.address.append(host.name)) {
    return run.not_usable(host.file);
  }
  run.explain(host.file, ":1: no @ in it, decided as ", Quoted{out.address.view()});
  return Next::go_on;
}

// Each round cuts the address at an earlier '%', so it ends.
Next undo_percents(DecisionRun& run, Rewritten& out) {
  const ControlTable& table = run.in.config.percenthack;
  for (;;) {
    const std::size_t percent = find_last_byte(out.user_part(), '%');
    if (percent == out.at) return Next::go_on;
    if (!table.usable) return run.not_usable(table.file);
    const std::optional<control::Constmap::Entry> entry = table.entries.find(out.domain());
    if (!entry) return Next::go_on;
    out.address.truncate(out.at);
    out.address.set(percent, '@');
    out.at = percent;
    run.explain(table.file, ":", entry->line, ": rewritten to ", Quoted{out.address.view()});
  }
}

Next found_virtual(DecisionRun& run, const control::Constmap::Entry& entry, Rewritten& out) {
  const std::string_view file = run.in.config.virtualdomains.file;
  if (entry.value.empty()) {
    run.explain(file, ":", entry.line, ": key ", Quoted{entry.key},
                " has an empty right side: not virtual, only relayed");
    return run.decided(Why::relay, 2);
  }
  out.is_virtual = true;
  if (!out.prefixed.append(entry.value) || !out.prefixed.append('-') ||
      !out.prefixed.append(out.user_part())) {
    run.explain(file, ":", entry.line, ": the right side is too long");
    return run.decided(Why::control_error, 0);
  }
  run.explain(file, ":", entry.line, ": key ", Quoted{entry.key}, ", local part ",
              Quoted{out.local()});
  return Next::go_on;
}

// The whole address, the domain, each suffix of it that begins with a dot, the empty key.
Next find_virtual(DecisionRun& run, Rewritten& out) {
  const ControlTable& table = run.in.config.virtualdomains;
  if (!table.usable) return run.not_usable(table.file);
  const std::string_view address = out.address.view();
  auto entry = table.entries.find(address);
  if (!entry) entry = table.entries.find_domain(out.domain());
  if (!entry) entry = table.entries.find({});
  if (entry) return found_virtual(run, *entry, out);
  run.explain(table.file, ": nothing for ", Quoted{address}, ": only relayed");
  return run.decided(Why::relay, 1);
}

// envnoathost and percenthack (protocol, section 2, steps 1 and 2).  go_on: `out` has the address
// with the domain that decides.
Next qualify_address(DecisionRun& run, std::string_view address, Rewritten& out) {
  address = take_until(address, '\0');
  if (check_syntax(run, address) == Next::stop || qualify(run, address, out) == Next::stop ||
      undo_percents(run, out) == Next::stop) {
    return Next::stop;
  }
  if (!out.domain().empty()) return Next::go_on;
  run.explain("address: ", Quoted{out.address.view()}, " has no domain");
  return run.decided(Why::syntax, 0);
}

// locals and virtualdomains (steps 3 and 4).  go_on: `out` is complete, the domain is local or
// virtual.
Next rewrite(DecisionRun& run, Rewritten& out) {
  const ControlTable& locals = run.in.config.locals;
  if (!locals.usable) return run.not_usable(locals.file);
  if (const auto entry = locals.entries.find(out.domain())) {
    run.explain(locals.file, ":", entry->line, ": ", Quoted{out.domain()}, " is local, local part ",
                Quoted{out.local()});
    return Next::go_on;
  }
  run.explain(locals.file, ": ", Quoted{out.domain()}, " is not there");
  return find_virtual(run, out);
}

// ---- local, virtual and relay domains -----------------------------------------------------------

// Where the alias user's catch-all forwards by a table, the table decides.
Next ask_fastforward(DecisionRun& run, const Rewritten& rewritten) {
  const Result<maps::Answer> answer =
      run.in.fastforward->find(rewritten.user_part(), rewritten.domain());
  if (!answer.ok()) {
    run.explain("fastforward: ", answer.error().what);
    return run.failed(answer.error(), Why::table_error, 12);
  }
  const bool found = answer.value() == maps::Answer::found;
  run.explain("fastforward: ", Quoted{rewritten.address.view()},
              found ? " is in the table" : " is not in the table");
  return run.decided(found ? Why::alias : Why::unknown_user, 12);
}

// REQUIRES: the domain is local or virtual.
Next judge_local(DecisionRun& run, const Rewritten& rewritten) {
  UserRecord owner;
  if (find_owner(run, rewritten.local(), owner) == Next::stop) return Next::stop;
  if (owner.dash.empty()) {
    run.explain("mailbox: the user's own");
    return run.decided(Why::local, 9);
  }
  DotqmailFile file;
  if (search_dotqmail(run, owner, file) == Next::stop) return Next::stop;
  const bool is_alias = owner.user.view() == kAliasUser;
  if (is_alias && file.is_catch_all && run.in.fastforward != nullptr) {
    return ask_fastforward(run, rewritten);
  }
  if (run.in.policy.read) {
    const Delivery delivery{owner, file, rewritten.local(), rewritten.domain()};
    if (judge_contents(run, delivery) == Next::stop) return Next::stop;
  }
  if (!file.exact) return run.decided(Why::default_file, 12);
  return run.decided(is_alias ? Why::alias : Why::dotqmail, 10);
}

// go_on: qmail's own rules decide, for a local or virtual domain.
Next find_rules(DecisionRun& run, std::string_view address, Rewritten& rewritten) {
  if (qualify_address(run, address, rewritten) == Next::stop ||
      ask_table(run, rewritten, TableOf::domain) == Next::stop ||
      rewrite(run, rewritten) == Next::stop) {
    return Next::stop;
  }
  return ask_table(run, rewritten, TableOf::all_domains);
}

// Decides anew what Why::relay has decided.  The next hop is asked about the address as rewritten,
// its domain in lower case; the position stays.
Next judge_relayed(DecisionRun& run, const Rewritten& rewritten) {
  const ControlTable& verifyprobe = run.in.config.verifyprobe;
  if (!verifyprobe.usable) return run.not_usable(verifyprobe.file);
  const auto entry = verifyprobe.entries.find_domain(rewritten.domain());
  if (!entry) return Next::stop;
  run.explain(verifyprobe.file, ":", entry->line, ": key ", Quoted{entry->key},
              ": the next hop is asked");
  decltype(rewritten.address) address;
  QV_CHECK(address.append(rewritten.user_part()) && address.append('@') &&
           address.append_lower(rewritten.domain()));
  NextHopAnswer answer;
  const Result<Look> look = run.in.lookups.ask_next_hop(address.view(), answer);
  const std::uint8_t position = run.decision.position;
  if (!look.ok()) {
    run.explain("qmail-probe: ", look.error().what);
    return run.decided(Why::probe_error, position);
  }
  run.decision.pending = look.value() == Look::pending;
  if (run.decision.pending) return Next::stop;
  run.decision.text.assign_printable(answer.text);
  run.explain("qmail-probe: ", Quoted{address.view()}, ": ", run.decision.text.view());
  return run.decided(answer.why, position);
}

}  // namespace

Decision decide(std::string_view address, const DecisionInputs& inputs, Explanation* explanation) {
  if (explanation != nullptr) explanation->clear();
  Decision decision;
  DecisionRun run{inputs, decision, explanation};
  Rewritten rewritten;
  if (find_rules(run, address, rewritten) == Next::go_on) {
    static_cast<void>(judge_local(run, rewritten));
  } else if (decision.why == Why::relay) {
    static_cast<void>(judge_relayed(run, rewritten));
  }
  if (!decision.pending) {
    run.explain("verdict: ", why_word(decision.why), ": ", why_text(decision.why));
  }
  return decision;
}

}  // namespace qv::rcpt
