// SPDX-License-Identifier: 0BSD
// The text of a table: logical lines and entries.  What parses must survive being written again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "maps/tool/tool.h"
#include "maps/types/text_table.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

std::string quoted(std::string_view key) {
  std::string out = "\"";
  for (const char c : key) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

void try_table(std::string_view text) {
  qv::maps::LogicalLines lines(text);
  std::uint64_t before = 0;
  for (;;) {
    std::string_view line;
    const auto more = lines.next(line);
    require(more.ok());
    if (more.value() == qv::maps::Answer::absent) break;
    require(!line.empty() && lines.number() > before);
    before = lines.number();
    qv::maps::TextEntry entry;
    if (qv::maps::parse_text_entry(line, entry) != nullptr) continue;
    require(!entry.key.empty() && !entry.value.empty());
    const std::string again = quoted(entry.key) + "\t" + std::string(entry.value);
    qv::maps::TextEntry second;
    require(qv::maps::parse_text_entry(again, second) == nullptr);
    require(second.key == entry.key && second.value == entry.value);
  }
  require(lines.position() == text.size());
}

void try_assign(std::string_view text) {
  qv::maps::tool::AssignParser parser;
  std::string key;
  std::string value;
  std::string wrong;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    switch (parser.parse(text.substr(0, end), key, value, wrong)) {
      case qv::maps::tool::AssignLine::record:
        require(!key.empty() && key.front() == '!');
        break;
      case qv::maps::tool::AssignLine::end:
        return;
      case qv::maps::tool::AssignLine::malformed:
        require(!wrong.empty());
        break;
    }
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_table(text);
  try_assign(text);
  return 0;
}
