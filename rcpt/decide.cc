// SPDX-License-Identifier: 0BSD
#include "rcpt/decide.h"

#include <cerrno>

#include "core/text.h"
#include "rcpt/steps.h"

namespace qv {

Next DecisionRun::failed(const Error& error, Why otherwise, std::uint8_t position) {
  return decided(error.errnum == ETIMEDOUT ? Why::timeout : otherwise, position);
}

Next DecisionRun::answered(const Result<Look>& look, Why otherwise, std::uint8_t position) {
  if (!look.ok()) return failed(look.error(), otherwise, position);
  decision.pending = look.value() == Look::pending;
  return decision.pending ? Next::stop : Next::go_on;
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

// The alias user's catch-all forwards by a table: the table knows who exists.
Next ask_fastforward(DecisionRun& run, const Rewritten& rewritten) {
  const Result<Answer> answer = run.in.fastforward->find(rewritten.user_part(), rewritten.domain());
  if (!answer.ok()) {
    run.explain("fastforward: ", answer.error().what);
    return run.failed(answer.error(), Why::table_error, 12);
  }
  const bool found = answer.value() == Answer::found;
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

// Whose rules the address is decided by.  go_on: qmail's own, as a local or virtual one.
Next find_rules(DecisionRun& run, std::string_view address, Rewritten& rewritten) {
  if (qualify_address(run, address, rewritten) == Next::stop ||
      ask_named_table(run, rewritten) == Next::stop || rewrite(run, rewritten) == Next::stop) {
    return Next::stop;
  }
  return ask_table_of_all(run, rewritten);
}

// Decides anew what was decided to be Why::relay.  The next hop is asked about the address as
// rewritten, its domain in lower case; the position stays.
Next judge_relayed(DecisionRun& run, const Rewritten& rewritten) {
  const ControlTable& verifyprobe = run.in.config.verifyprobe;
  if (!verifyprobe.usable) return run.not_usable(verifyprobe.file);
  if (verifyprobe.entries.size() == 0) return Next::stop;
  const auto entry = verifyprobe.entries.find_domain(rewritten.domain());
  if (!entry) return Next::stop;
  run.explain(verifyprobe.file, ":", entry->line, ": key ", Quoted{entry->key},
              ": the next hop is asked");
  auto address = rewritten.address;
  for (std::size_t i = rewritten.at; i < address.size(); ++i) {
    address.set(i, ascii_lower(address.view()[i]));
  }
  NextHopAnswer answer;
  const Result<Look> look = run.in.lookups.ask_next_hop(address.view(), answer);
  if (!look.ok()) {
    run.explain("qmail-probe: ", look.error().what);
    return run.decided(Why::probe_error, run.decision.position);
  }
  run.decision.pending = look.value() == Look::pending;
  if (run.decision.pending) return Next::stop;
  run.decision.text.assign_printable(answer.text);
  run.explain("qmail-probe: ", Quoted{address.view()}, ": ", run.decision.text.view());
  return run.decided(answer.why, run.decision.position);
}

}  // namespace

Decision decide(std::string_view address, const DecisionInputs& inputs, Explanation* explanation) {
  if (explanation != nullptr) explanation->begin();
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

}  // namespace qv
