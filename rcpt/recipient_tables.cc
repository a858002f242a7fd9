// SPDX-License-Identifier: 0BSD
#include "rcpt/recipient_tables.h"

#include <cstdint>
#include <optional>

#include "core/text.h"
#include "maps/address_keys.h"

namespace qv {

namespace {

// One to three digits and a dot, or the end, cut off `rest`.
bool take_number(std::string_view& rest) {
  const std::string_view digits = take_until(rest, '.');
  if (digits.empty() || digits.size() > 3) return false;
  for (const char c : digits) {
    if (!is_digit(c)) return false;
  }
  return true;
}

// 5.1.1 (RFC 3463).
bool is_enhanced_code(std::string_view word) {
  if (word.empty() || (word.front() != '4' && word.front() != '5')) return false;
  std::string_view rest = word;
  return take_until(rest, '.').size() == 1 && take_number(rest) && !rest.empty() &&
         find_byte(rest, '.') == rest.size() && take_number(rest);
}

bool is_reply_code(std::string_view word) {
  return word.size() == 3 && (word[0] == '4' || word[0] == '5') && is_digit(word[1]) &&
         is_digit(word[2]);
}

std::string_view take_word(std::string_view& rest) {
  rest = trim_blanks(rest);
  std::size_t end = 0;
  while (end < rest.size() && !is_blank(rest[end])) ++end;
  const std::string_view word = first_bytes(rest, end);
  rest = trim_blanks(after_bytes(rest, end));
  return word;
}

using Entry = Constmap::Entry;

// Every key that was tried and is not there, for --explain.
void note_misses(std::string_view address, std::string_view delimiters, const TableHit& hit,
                 std::string_view table, Trail* trail) {
  if (trail == nullptr) return;
  AddressKeys keys(address, delimiters);
  for (std::string_view key; keys.next(key) && key != hit.key;) {
    note(trail, table, ": ", Quoted{key}, " is not there");
    if (hit.whole_only) return;
  }
}

Next take_hit(const TableHit& hit, std::string_view table, Decision& decision, Trail* trail) {
  const TableWord word = parse_table_word(hit.value);
  decision.text.assign_printable(word.text);
  note(trail, table, ": ", Quoted{hit.key}, " is there, value ", Quoted{hit.value});
  const bool is_catch_all = !hit.key.empty() && hit.key.front() == '@';
  const Why why = word.why == Why::table && is_catch_all ? Why::default_file : word.why;
  return decided(decision, why, 0);
}

Next ask(const Entry& entry, const Rewritten& rewritten, const QmailConfig& config,
         Lookups& lookups, Decision& decision, Trail* trail) {
  const std::string_view file = config.verifymaps.file;
  const auto line = static_cast<std::uint64_t>(entry.line);
  if (entry.value == VerifyMaps::kMistaken) {
    note(trail, file, ":", line, ": key ", Quoted{entry.key}, " has no table");
    return decided(decision, Why::control_error, 0);
  }
  if (!config.delimiters.usable) {
    note(trail, config.delimiters.file, ": cannot be used now, and is needed to decide");
    return decided(decision, Why::control_error, 0);
  }
  const std::string_view address = rewritten.address.view();
  const std::string_view delimiters = config.delimiters.name;
  note(trail, file, ":", line, ": key ", Quoted{entry.key}, ", table ", Quoted{entry.value});
  TableHit hit;
  const Result<Look> look = lookups.find_recipient(entry.value, address, delimiters, hit);
  if (!look.ok()) {
    note(trail, entry.value, ": ", std::string_view(look.error().what));
    return failed(decision, look.error(), Why::table_error, 0);
  }
  if (look.value() == Look::pending) return pending(decision);
  note_misses(address, delimiters, hit, entry.value, trail);
  if (look.value() == Look::no) return decided(decision, Why::unknown_user, 0);
  return take_hit(hit, entry.value, decision, trail);
}

}  // namespace

TableWord parse_table_word(std::string_view value) {
  std::string_view rest = value;
  const std::string_view word = take_word(rest);
  bool refuses = equal_ignoring_case(word, "REJECT");
  bool defers = equal_ignoring_case(word, "DEFER") || equal_ignoring_case(word, "DEFER_IF_PERMIT");
  if (is_reply_code(word) || is_enhanced_code(word)) {
    refuses = word.front() == '5';
    defers = !refuses;
  }
  if (!refuses && !defers) return {};
  std::string_view behind = rest;
  if (is_enhanced_code(take_word(behind))) rest = behind;
  return {refuses ? Why::refused : Why::deferred, rest};
}

Next ask_named_table(const Rewritten& rewritten, const QmailConfig& config, Lookups& lookups,
                     Decision& decision, Trail* trail) {
  const VerifyMaps& maps = config.verifymaps;
  if (maps.is_unused()) return Next::go_on;
  if (!maps.usable) {
    note(trail, maps.file, ": cannot be used now, and is needed to decide");
    return decided(decision, Why::control_error, 0);
  }
  const std::optional<Entry> entry = maps.entries.find_domain(rewritten.domain());
  if (!entry) return Next::go_on;
  if (!entry->value.empty()) return ask(*entry, rewritten, config, lookups, decision, trail);
  note(trail, maps.file, ":", static_cast<std::uint64_t>(entry->line), ": key ", Quoted{entry->key},
       " leaves it to qmail's own rules");
  return Next::go_on;
}

Next ask_table_of_all(const Rewritten& rewritten, const QmailConfig& config, Lookups& lookups,
                      Decision& decision, Trail* trail) {
  const VerifyMaps& maps = config.verifymaps;
  if (maps.is_unused() || maps.entries.find_domain(rewritten.domain())) return Next::go_on;
  const std::optional<Entry> entry = maps.entries.find({});
  if (!entry || entry->value.empty()) return Next::go_on;
  return ask(*entry, rewritten, config, lookups, decision, trail);
}

}  // namespace qv
