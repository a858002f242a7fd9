// SPDX-License-Identifier: 0BSD
// control/verifymaps up to the first "%", then a recipient, "%", delimiters, "%" and a value of a
// table: what is read is in force or complained of, the keys are those of a plain search, and only
// what the text of a value has reaches the sender.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/text_table.h"
#include "rcpt/steps.h"
#include "tests/fakes/address_keys.h"

namespace {

using namespace qv;

void require(bool condition) {
  if (!condition) abort();
}

bool is_reported(const std::vector<control::Problem>& problems, int line) {
  for (const control::Problem& problem : problems) {
    if (problem.line == line) return true;
  }
  return false;
}

void try_maps(std::string_view text) {
  std::vector<control::ControlLine> lines;
  if (!control::parse_control_text(text, lines)) return;
  std::vector<control::Problem> problems;
  const rcpt::VerifyMaps maps = rcpt::parse_verifymaps(lines, "control/verifymaps", problems);
  require(maps.usable && maps.entries.size() <= lines.size());
  require(maps.named.size() <= lines.size());
  for (const rcpt::VerifyMaps::Named& named : maps.named) {
    std::string_view type;
    std::string_view name;
    require(maps::split_type(maps::strip_braces(named.table), type, name));
  }
  for (const control::ControlLine& line : lines) {
    std::string_view rest = line.text;
    const auto entry = maps.entries.find(maps::trim_white(take_until(rest, ':')));
    require(entry.has_value() && entry->line >= line.number);
    if (entry->line > line.number) require(is_reported(problems, line.number));
    if (entry->value == rcpt::VerifyMaps::kMistaken) require(is_reported(problems, entry->line));
  }
}

// As the manual says it.
std::vector<std::string> plain_keys(std::string_view address, std::string_view delimiters) {
  const std::string whole = maps::fold_key(address);
  std::vector<std::string> keys{whole};
  const maps::AddressParts parts = maps::split_address(whole);
  if (parts.local.empty()) return keys;
  const std::string domain = parts.has_domain ? "@" + std::string(parts.domain) : std::string();
  std::vector<std::string> prefixes;
  for (std::size_t at = parts.local.size(); at-- > 1;) {
    if (delimiters.find(parts.local[at]) == std::string_view::npos) continue;
    prefixes.push_back(std::string(first_bytes(parts.local, at)) + domain);
  }
  if (prefixes.size() > maps::kMaxPrefixes) {
    prefixes[maps::kMaxPrefixes - 1] = prefixes.back();
    prefixes.resize(maps::kMaxPrefixes);
  }
  keys.insert(keys.end(), prefixes.begin(), prefixes.end());
  if (parts.has_domain) keys.push_back(domain);
  return keys;
}

void try_value(std::string_view value) {
  const rcpt::TableWord word = rcpt::parse_table_word(value);
  require(word.why == rcpt::Why::table || word.why == rcpt::Why::refused ||
          word.why == rcpt::Why::deferred);
  if (word.why == rcpt::Why::table) require(word.text.empty());
  require(value.find(word.text) != std::string_view::npos);
  require(word.text == trim_blanks(word.text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  try_maps(take_until(rest, '%'));
  const std::string_view address = take_until(rest, '%');
  const std::string_view delimiters = take_until(rest, '%');
  require(address_keys(address, delimiters) == plain_keys(address, delimiters));
  try_value(rest);
  return 0;
}
