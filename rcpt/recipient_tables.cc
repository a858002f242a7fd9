// SPDX-License-Identifier: 0BSD
#include <optional>

#include "core/text.h"
#include "maps/address_keys.h"
#include "rcpt/steps.h"

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

// Every key that was tried and is not there.
void explain_misses(const DecisionRun& run, std::string_view address, const TableHit& hit,
                    std::string_view table) {
  if (run.explanation == nullptr) return;
  AddressKeys keys(address, run.in.config.delimiters.name);
  for (std::string_view key; keys.next(key) && key != hit.key;) {
    run.explain(table, ": ", Quoted{key}, " is not there");
    if (hit.whole_only) return;
  }
}

Next take_hit(DecisionRun& run, const TableHit& hit, std::string_view table) {
  const TableWord word = parse_table_word(hit.value);
  run.decision.text.assign_printable(word.text);
  run.explain(table, ": ", Quoted{hit.key}, " is there, value ", Quoted{hit.value});
  const bool is_catch_all = !hit.key.empty() && hit.key.front() == '@';
  const Why why = word.why == Why::table && is_catch_all ? Why::default_file : word.why;
  return run.decided(why, 0);
}

Next ask(DecisionRun& run, const Entry& entry, const Rewritten& rewritten) {
  const std::string_view file = run.in.config.verifymaps.file;
  if (entry.value == VerifyMaps::kMistaken) {
    run.explain(file, ":", entry.line, ": key ", Quoted{entry.key}, " has no table");
    return run.decided(Why::control_error, 0);
  }
  const ControlName& delimiters = run.in.config.delimiters;
  if (!delimiters.usable) return run.not_usable(delimiters.file);
  const std::string_view address = rewritten.address.view();
  run.explain(file, ":", entry.line, ": key ", Quoted{entry.key}, ", table ", Quoted{entry.value});
  TableHit hit;
  const Result<Look> look =
      run.in.lookups.find_recipient(entry.value, address, delimiters.name, hit);
  if (!look.ok()) run.explain(entry.value, ": ", look.error().what);
  if (run.answered(look, Why::table_error, 0) == Next::stop) return Next::stop;
  explain_misses(run, address, hit, entry.value);
  if (look.value() == Look::no) return run.decided(Why::unknown_user, 0);
  return take_hit(run, hit, entry.value);
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

Next ask_named_table(DecisionRun& run, const Rewritten& rewritten) {
  const VerifyMaps& maps = run.in.config.verifymaps;
  if (maps.is_unused()) return Next::go_on;
  if (!maps.usable) return run.not_usable(maps.file);
  const std::optional<Entry> entry = maps.entries.find_domain(rewritten.domain());
  if (!entry) return Next::go_on;
  if (!entry->value.empty()) return ask(run, *entry, rewritten);
  run.explain(maps.file, ":", entry->line, ": key ", Quoted{entry->key},
              " leaves it to qmail's own rules");
  return Next::go_on;
}

Next ask_table_of_all(DecisionRun& run, const Rewritten& rewritten) {
  const VerifyMaps& maps = run.in.config.verifymaps;
  if (maps.is_unused() || maps.entries.find_domain(rewritten.domain())) return Next::go_on;
  const std::optional<Entry> entry = maps.entries.find({});
  if (!entry || entry->value.empty()) return Next::go_on;
  return ask(run, *entry, rewritten);
}

}  // namespace qv
