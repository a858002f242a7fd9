// SPDX-License-Identifier: 0BSD
#include "rcpt/decide.h"

#include "rcpt/dotqmail.h"
#include "rcpt/next_hop.h"
#include "rcpt/owner.h"
#include "rcpt/recipient_tables.h"
#include "rcpt/rewrite.h"
#include "rcpt/steps.h"

namespace qv {

namespace {

// The alias user's catch-all forwards by a table: the table knows who exists.
Next ask_fastforward(const FastforwardCdb& table, const Rewritten& rewritten, Decision& decision,
                     Trail* trail) {
  const Result<Answer> answer = table.find(rewritten.user_part(), rewritten.domain());
  if (!answer.ok()) {
    note(trail, "fastforward: ", std::string_view(answer.error().what));
    return failed(decision, answer.error(), Why::table_error, 12);
  }
  const bool found = answer.value() == Answer::found;
  note(trail, "fastforward: ", Quoted{rewritten.address.view()},
       found ? " is in the table" : " is not in the table");
  return decided(decision, found ? Why::alias : Why::unknown_user, 12);
}

// REQUIRES: the domain is local or virtual.
Next judge_local(const Rewritten& rewritten, const Grounds& grounds, Decision& decision,
                 Trail* trail) {
  UserRecord owner;
  if (find_owner(rewritten.local(), grounds.users, grounds.lookups, owner, decision, trail) ==
      Next::stop) {
    return Next::stop;
  }
  if (owner.dash.empty()) {
    note(trail, "mailbox: the user's own");
    return decided(decision, Why::local, 9);
  }
  DotqmailFile file;
  if (search_dotqmail(owner, grounds.lookups, file, decision, trail) == Next::stop) {
    return Next::stop;
  }
  const bool is_alias = owner.user.view() == kAliasUser;
  if (is_alias && file.is_catch_all && grounds.fastforward != nullptr) {
    return ask_fastforward(*grounds.fastforward, rewritten, decision, trail);
  }
  if (grounds.policy.read) {
    const Delivery delivery{owner, file, rewritten.local(), rewritten.domain()};
    if (judge_contents(delivery, grounds.policy, grounds.lookups, decision, trail) == Next::stop) {
      return Next::stop;
    }
  }
  if (!file.exact) return decided(decision, Why::default_file, 12);
  return decided(decision, is_alias ? Why::alias : Why::dotqmail, 10);
}

// Whose rules the address is decided by.  go_on: qmail's own, as a local or virtual one.
Next find_rules(std::string_view address, const Grounds& grounds, Rewritten& rewritten,
                Decision& decision, Trail* trail) {
  const QmailConfig& config = grounds.config;
  if (qualify_address(address, config, rewritten, decision, trail) == Next::stop ||
      ask_named_table(rewritten, config, grounds.lookups, decision, trail) == Next::stop ||
      rewrite(config, rewritten, decision, trail) == Next::stop) {
    return Next::stop;
  }
  return ask_table_of_all(rewritten, config, grounds.lookups, decision, trail);
}

}  // namespace

Decision decide(std::string_view address, const Grounds& grounds, Trail* trail) {
  if (trail != nullptr) trail->begin();
  Decision decision;
  Rewritten rewritten;
  if (find_rules(address, grounds, rewritten, decision, trail) == Next::go_on) {
    static_cast<void>(judge_local(rewritten, grounds, decision, trail));
  } else if (decision.why == Why::relay) {
    judge_relayed(rewritten, grounds.config.verifyprobe, grounds.lookups, decision, trail);
  }
  if (!decision.pending) {
    note(trail, "verdict: ", why_word(decision.why), ": ", why_text(decision.why));
  }
  return decision;
}

}  // namespace qv
