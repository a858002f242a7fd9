// SPDX-License-Identifier: 0BSD
#include "rcpt/next_hop.h"

#include "core/text.h"

namespace qv {

namespace {

void ask(const Rewritten& rewritten, Lookups& lookups, Decision& decision, Trail* trail) {
  auto address = rewritten.address;
  for (std::size_t i = rewritten.at; i < address.size(); ++i) {
    address.set(i, ascii_lower(address.view()[i]));
  }
  NextHopAnswer answer;
  const Result<Look> look = lookups.ask_next_hop(address.view(), answer);
  if (!look.ok()) {
    note(trail, "qmail-probe: ", std::string_view(look.error().what));
    decision.why = Why::probe_error;
    return;
  }
  if (look.value() == Look::pending) {
    decision.pending = true;
    return;
  }
  decision.why = answer.why;
  decision.text.assign_printable(answer.text);
  note(trail, "qmail-probe: ", Quoted{address.view()}, ": ", decision.text.view());
}

}  // namespace

void judge_relayed(const Rewritten& rewritten, const ControlTable& verifyprobe, Lookups& lookups,
                   Decision& decision, Trail* trail) {
  if (verifyprobe.usable && verifyprobe.entries.size() == 0) return;
  if (!verifyprobe.usable) {
    note(trail, verifyprobe.file, ": cannot be used now, and is needed to decide");
    decision.why = Why::control_error;
    decision.position = 0;
    return;
  }
  const auto entry = verifyprobe.entries.find_domain(rewritten.domain());
  if (!entry) return;
  note(trail, verifyprobe.file, ":", static_cast<std::uint64_t>(entry->line), ": key ",
       Quoted{entry->key}, ": the next hop is asked");
  ask(rewritten, lookups, decision, trail);
}

}  // namespace qv
