// SPDX-License-Identifier: 0BSD
#include "rcpt/verifymaps.h"

#include <utility>

#include "core/text.h"
#include "maps/spec.h"

namespace qv {

namespace {

// What is wrong with the domain; empty where nothing is.
std::string complaint_about_domain(std::string_view domain) {
  for (const char c : domain) {
    const bool odd = static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '@' || c == '/';
    if (odd) return "\"" + std::string(domain) + "\" is no domain: nothing is judged by this line";
  }
  return {};
}

struct Parts {
  std::string_view domain;
  std::string_view table;  // empty: qmail's own rules
  std::string wrong;
};

Parts parse_line(std::string_view text) {
  Parts parts;
  const bool has_colon = find_byte(text, ':') < text.size();
  parts.domain = trim_white(take_until(text, ':'));
  parts.table = trim_white(text);
  parts.wrong = complaint_about_domain(parts.domain);
  std::string_view type;
  std::string_view name;
  if (has_colon && (parts.table.empty() || split_type(strip_braces(parts.table), type, name))) {
    return parts;
  }
  parts.table = VerifyMaps::kMistaken;
  parts.wrong =
      "no table: its recipients cannot be told; write DOMAIN:TYPE:NAME, or DOMAIN: for qmail's own "
      "rules";
  return parts;
}

}  // namespace

VerifyMaps parse_verifymaps(const std::vector<ControlLine>& lines, std::string_view file,
                            std::vector<Problem>& problems) {
  VerifyMaps out;
  std::vector<ControlLine> pairs;
  pairs.reserve(lines.size());
  for (const ControlLine& line : lines) {
    Parts parts = parse_line(line.text);
    if (!parts.wrong.empty()) {
      problems.push_back({std::string(file), line.number, std::move(parts.wrong)});
    }
    pairs.push_back({std::string(parts.domain) + ":" + std::string(parts.table), line.number});
    if (parts.table.empty() || parts.table == VerifyMaps::kMistaken) continue;
    out.named.push_back({std::string(parts.table), line.number});
  }
  out.entries = Constmap(pairs, Constmap::Form::pairs);
  for (const ControlLine& pair : pairs) {
    const auto counts = out.entries.find(first_bytes(pair.text, find_byte(pair.text, ':')));
    if (!counts || counts->line == pair.number) continue;
    problems.push_back({std::string(file), pair.number,
                        "line " + std::to_string(counts->line) +
                            " is about the same domain, and is the one that counts"});
  }
  out.file = file;
  out.usable = true;
  return out;
}

}  // namespace qv
