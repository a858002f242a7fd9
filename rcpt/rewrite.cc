// SPDX-License-Identifier: 0BSD
#include "rcpt/rewrite.h"

#include <cstdint>
#include <optional>

#include "core/check.h"
#include "core/text.h"

namespace qv {

namespace {

std::uint64_t line_of(const Constmap::Entry& entry) {
  return static_cast<std::uint64_t>(entry.line);
}

bool has_control_character(std::string_view s) {
  for (const char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return true;
  }
  return false;
}

Next not_usable(std::string_view file, Decision& decision, Trail* trail) {
  note(trail, file, ": cannot be used now, and is needed to decide");
  return decided(decision, Why::control_error, 0);
}

Next check_syntax(std::string_view address, Decision& decision, Trail* trail) {
  if (address.size() > kMaxAddress) {
    note(trail, "address: ", address.size(), " bytes, and at most ", kMaxAddress, " are allowed");
    return decided(decision, Why::too_long, 0);
  }
  if (!address.empty() && !has_control_character(address)) return Next::go_on;
  note(trail, "address: ", Quoted{address}, " is empty or holds a control character");
  return decided(decision, Why::syntax, 0);
}

// CVE-2020-3811: without a name to append there is nothing to judge the address by.
Next qualify(std::string_view address, const QmailConfig& config, Rewritten& out,
             Decision& decision, Trail* trail) {
  QV_CHECK(out.address.append(address));
  out.at = find_last_byte(address, '@');
  if (out.at < address.size()) return Next::go_on;
  const ControlName& host = config.envnoathost;
  if (!host.usable) return not_usable(host.file, decision, trail);
  if (!out.address.append('@') || !out.address.append(host.name)) {
    return not_usable(host.file, decision, trail);
  }
  note(trail, host.file, ":1: no @ in it, judged as ", Quoted{out.address.view()});
  return Next::go_on;
}

// Each turn cuts the address at an earlier '%', so it ends.
Next undo_percents(const ControlTable& table, Rewritten& out, Decision& decision, Trail* trail) {
  for (;;) {
    const std::size_t percent = find_last_byte(out.user_part(), '%');
    if (percent == out.at) return Next::go_on;
    if (!table.usable) return not_usable(table.file, decision, trail);
    const std::optional<Constmap::Entry> entry = table.entries.find(out.domain());
    if (!entry) return Next::go_on;
    out.address.truncate(out.at);
    out.address.set(percent, '@');
    out.at = percent;
    note(trail, table.file, ":", line_of(*entry), ": rewritten to ", Quoted{out.address.view()});
  }
}

Next found_virtual(const ControlTable& table, const Constmap::Entry& entry, Rewritten& out,
                   Decision& decision, Trail* trail) {
  if (entry.value.empty()) {
    note(trail, table.file, ":", line_of(entry), ": key ", Quoted{entry.key},
         " has an empty right side: not virtual, only relayed");
    return decided(decision, Why::relay, 2);
  }
  out.is_virtual = true;
  if (!out.prefixed.append(entry.value) || !out.prefixed.append('-') ||
      !out.prefixed.append(out.user_part())) {
    note(trail, table.file, ":", line_of(entry), ": the right side is too long");
    return decided(decision, Why::control_error, 0);
  }
  note(trail, table.file, ":", line_of(entry), ": key ", Quoted{entry.key}, ", local part ",
       Quoted{out.local()});
  return Next::go_on;
}

// The whole address, the domain, each suffix of it that begins with a dot, the empty key.
Next find_virtual(const ControlTable& table, Rewritten& out, Decision& decision, Trail* trail) {
  if (!table.usable) return not_usable(table.file, decision, trail);
  const std::string_view address = out.address.view();
  auto entry = table.entries.find(address);
  if (!entry) entry = table.entries.find_domain(out.domain());
  if (!entry) entry = table.entries.find({});
  if (entry) return found_virtual(table, *entry, out, decision, trail);
  note(trail, table.file, ": nothing for ", Quoted{address}, ": only relayed");
  return decided(decision, Why::relay, 1);
}

}  // namespace

Next qualify_address(std::string_view address, const QmailConfig& config, Rewritten& out,
                     Decision& decision, Trail* trail) {
  address = take_until(address, '\0');
  if (check_syntax(address, decision, trail) == Next::stop) return Next::stop;
  if (qualify(address, config, out, decision, trail) == Next::stop) return Next::stop;
  if (undo_percents(config.percenthack, out, decision, trail) == Next::stop) return Next::stop;
  if (!out.domain().empty()) return Next::go_on;
  note(trail, "address: ", Quoted{out.address.view()}, " has no domain");
  return decided(decision, Why::syntax, 0);
}

Next rewrite(const QmailConfig& config, Rewritten& out, Decision& decision, Trail* trail) {
  const ControlTable& locals = config.locals;
  if (!locals.usable) return not_usable(locals.file, decision, trail);
  if (const auto entry = locals.entries.find(out.domain())) {
    note(trail, locals.file, ":", line_of(*entry), ": ", Quoted{out.domain()},
         " is local, local part ", Quoted{out.local()});
    return Next::go_on;
  }
  note(trail, locals.file, ": ", Quoted{out.domain()}, " is not there");
  return find_virtual(config.virtualdomains, out, decision, trail);
}

}  // namespace qv
