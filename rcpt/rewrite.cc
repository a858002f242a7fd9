// SPDX-License-Identifier: 0BSD
#include <optional>

#include "core/check.h"
#include "core/text.h"
#include "rcpt/steps.h"

namespace qv {

namespace {

bool has_control_character(std::string_view s) {
  for (const char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return true;
  }
  return false;
}

Next check_syntax(DecisionRun& run, std::string_view address) {
  if (address.size() > kMaxAddress) {
    run.explain("address: ", address.size(), " bytes, and at most ", kMaxAddress, " are allowed");
    return run.decided(Why::too_long, 0);
  }
  if (!address.empty() && !has_control_character(address)) return Next::go_on;
  run.explain("address: ", Quoted{address}, " is empty or holds a control character");
  return run.decided(Why::syntax, 0);
}

// CVE-2020-3811: without a name to append there is nothing to judge the address by.
Next qualify(DecisionRun& run, std::string_view address, Rewritten& out) {
  QV_CHECK(out.address.append(address));
  out.at = find_last_byte(address, '@');
  if (out.at < address.size()) return Next::go_on;
  const ControlName& host = run.in.config.envnoathost;
  if (!host.usable || !out.address.append('@') || !out.address.append(host.name)) {
    return run.not_usable(host.file);
  }
  run.explain(host.file, ":1: no @ in it, judged as ", Quoted{out.address.view()});
  return Next::go_on;
}

// Each turn cuts the address at an earlier '%', so it ends.
Next undo_percents(DecisionRun& run, Rewritten& out) {
  const ControlTable& table = run.in.config.percenthack;
  for (;;) {
    const std::size_t percent = find_last_byte(out.user_part(), '%');
    if (percent == out.at) return Next::go_on;
    if (!table.usable) return run.not_usable(table.file);
    const std::optional<Constmap::Entry> entry = table.entries.find(out.domain());
    if (!entry) return Next::go_on;
    out.address.truncate(out.at);
    out.address.set(percent, '@');
    out.at = percent;
    run.explain(table.file, ":", entry->line, ": rewritten to ", Quoted{out.address.view()});
  }
}

Next found_virtual(DecisionRun& run, const Constmap::Entry& entry, Rewritten& out) {
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

}  // namespace

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

}  // namespace qv
