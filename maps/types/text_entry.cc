// SPDX-License-Identifier: 0BSD
#include "maps/types/text_entry.h"

#include "core/text.h"
#include "maps/bytes.h"

namespace qv {

namespace {

bool is_space(char c) { return is_blank(c) || c == '\r' || c == '\n' || c == '\f' || c == '\v'; }

std::string_view trim(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

// Cuts the quoted key off `rest`, which stands behind its opening quote; false without a closing
// one.
bool take_quoted(std::string_view& rest, std::string& key) {
  key.clear();
  while (!rest.empty()) {
    char c = rest.front();
    rest.remove_prefix(1);
    if (c == '"') return true;
    if (c == '\\' && !rest.empty()) {
      c = rest.front();
      rest.remove_prefix(1);
    }
    key += c;
  }
  return false;
}

}  // namespace

const char* parse_text_entry(std::string_view line, TextEntry& entry) {
  if (line.empty() || is_space(line.front())) return "a blank begins a line that continues nothing";
  if (line.front() == '"') {
    line.remove_prefix(1);
    if (!take_quoted(line, entry.unquoted)) return "no closing quote behind the key";
    if (!line.empty() && !is_space(line.front())) return "no blank behind the closing quote";
    entry.key = entry.unquoted;
  } else {
    std::size_t end = find_not_graphic(line, 0);
    while (end < line.size() && !is_space(line[end])) end = find_not_graphic(line, end + 1);
    entry.key = first_bytes(line, end);
    line = after_bytes(line, end);
  }
  if (entry.key.empty()) return "the key is empty";
  entry.value = trim(line);
  if (entry.value.empty()) return "a key without a value";
  return nullptr;
}

bool append_text_entry(std::string& out, std::string_view key, std::string_view value) {
  if (key.empty() || value.empty() || is_space(value.front()) || is_space(value.back())) {
    return false;
  }
  bool quote = key.front() == '"' || key.front() == '#';
  for (const char c : key) {
    if (c == '\n' || c == '\0') return false;
    quote = quote || is_space(c);
  }
  if (value.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos) return false;
  if (!quote) {
    out += key;
  } else {
    out += '"';
    for (const char c : key) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  out += '\t';
  out += value;
  out += '\n';
  return true;
}

}  // namespace qv
