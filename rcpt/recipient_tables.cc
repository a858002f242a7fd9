// SPDX-License-Identifier: 0BSD
#include <algorithm>
#include <optional>

#include "core/text.h"
#include "maps/address_keys.h"
#include "rcpt/steps.h"

namespace qv::rcpt {

namespace {

// Cuts one to three digits off `rest`, with the dot after them.
bool parse_number(std::string_view& rest) {
  const std::string_view digits = take_until(rest, '.');
  return !digits.empty() && digits.size() <= 3 &&
         std::all_of(digits.begin(), digits.end(), is_digit);
}

// 5.1.1 (RFC 3463).
bool is_enhanced_code(std::string_view word) {
  if (word.empty() || (word.front() != '4' && word.front() != '5')) return false;
  std::string_view rest = word;
  return take_until(rest, '.').size() == 1 && parse_number(rest) && !rest.empty() &&
         find_byte(rest, '.') == rest.size() && parse_number(rest);
}

bool is_reply_code(std::string_view word) {
  return word.size() == 3 && (word[0] == '4' || word[0] == '5') && is_digit(word[1]) &&
         is_digit(word[2]);
}

std::string_view parse_word(std::string_view& rest) {
  rest = trim_blanks(rest);
  const std::string_view word(rest.begin(), std::find_if(rest.begin(), rest.end(), is_blank));
  rest = trim_blanks(after_bytes(rest, word.size()));
  return word;
}

using Entry = control::Constmap::Entry;

// Explains each key that was looked up and is not there.
void explain_misses(const DecisionRun& run, std::string_view address, const TableHit& hit,
                    std::string_view table) {
  if (run.explanation == nullptr) return;
  maps::AddressKeys keys(address, run.in.config.delimiters.name);
  for (std::string_view key; keys.next(key) && key != hit.key;) {
    run.explain(table, ": ", Quoted{key}, " is not there");
    if (hit.whole_only) return;
  }
}

Next judge_hit(DecisionRun& run, const TableHit& hit, std::string_view table) {
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
  if (run.answered(look, Why::table_error, 0, entry.value) == Next::stop) return Next::stop;
  explain_misses(run, address, hit, entry.value);
  if (look.value() == Look::no) return run.decided(Why::unknown_user, 0);
  return judge_hit(run, hit, entry.value);
}

}  // namespace

TableWord parse_table_word(std::string_view value) {
  std::string_view rest = value;
  const std::string_view word = parse_word(rest);
  bool refuses = equal_ignoring_case(word, "REJECT");
  bool defers = equal_ignoring_case(word, "DEFER") || equal_ignoring_case(word, "DEFER_IF_PERMIT");
  if (is_reply_code(word) || is_enhanced_code(word)) {
    refuses = word.front() == '5';
    defers = !refuses;
  }
  if (!refuses && !defers) return {};
  std::string_view behind = rest;
  if (is_enhanced_code(parse_word(behind))) rest = behind;
  return {refuses ? Why::refused : Why::deferred, rest};
}

Next ask_table(DecisionRun& run, const Rewritten& rewritten, TableOf of) {
  const VerifyMaps& maps = run.in.config.verifymaps;
  if (maps.is_unused()) return Next::go_on;
  if (!maps.usable) return run.not_usable(maps.file);
  std::optional<Entry> entry = maps.entries.find_domain(rewritten.domain());
  if (of == TableOf::all_domains) {
    if (entry) return Next::go_on;
    entry = maps.entries.find({});
  }
  if (!entry) return Next::go_on;
  if (!entry->value.empty()) return ask(run, *entry, rewritten);
  run.explain(maps.file, ":", entry->line, ": key ", Quoted{entry->key},
              " leaves it to qmail's own rules");
  return Next::go_on;
}

}  // namespace qv::rcpt
