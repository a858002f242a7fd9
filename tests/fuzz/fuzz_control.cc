// SPDX-License-Identifier: 0BSD
// Control files: every line that is kept can be found again, by its key and in any case.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "control/constmap.h"
#include "core/text.h"

namespace {

using namespace qv;

void require(bool condition) {
  if (!condition) abort();
}

std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

void try_form(const std::vector<control::ControlLine>& lines, control::Constmap::Form form) {
  std::vector<int> malformed;
  const control::Constmap map(lines, form, &malformed);
  require(map.size() + malformed.size() <= lines.size());
  for (const control::ControlLine& line : lines) {
    std::string_view value = line.text;
    const bool has_colon = find_byte(value, ':') < value.size();
    if (form == control::Constmap::Form::pairs && !has_colon) continue;
    const std::string key =
        form == control::Constmap::Form::pairs ? std::string(take_until(value, ':')) : line.text;
    const auto entry = map.find(upper(key));
    require(entry.has_value() && equal_ignoring_case(entry->key, key));
    require(entry->line >= line.number);  // of equal keys, the last
    if (entry->line == line.number && form == control::Constmap::Form::pairs)
      require(entry->value == value);
  }
  static_cast<void>(map.find({}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<control::ControlLine> lines;
  const bool parsed = control::parse_control_text(text, lines);
  require(parsed == (find_byte(text, '\0') == text.size()));
  int previous = 0;
  for (const control::ControlLine& line : lines) {
    require(!line.text.empty() && line.text.front() != '#' && !is_blank(line.text.back()));
    require(line.number > previous);
    previous = line.number;
  }
  try_form(lines, control::Constmap::Form::keys);
  try_form(lines, control::Constmap::Form::pairs);
  return 0;
}
