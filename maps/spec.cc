// SPDX-License-Identifier: 0BSD
#include "maps/spec.h"

#include "core/text.h"

namespace qv::maps {

namespace {

bool is_white(char c) { return is_blank(c) || c == '\r' || c == '\n' || c == '\f' || c == '\v'; }
bool is_separator(char c) { return is_white(c) || c == ','; }
bool is_type_char(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_'; }

// Length of what begins `text` up to the first separator outside braces; npos where the braces do
// not match.
std::size_t element_length(std::string_view text) {
  int depth = 0;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (depth == 0 && is_separator(text[i])) break;
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth < 0) return std::string_view::npos;
  }
  return depth == 0 ? i : std::string_view::npos;
}

}  // namespace

bool split_type(std::string_view text, std::string_view& type, std::string_view& name) {
  const std::size_t colon = find_byte(text, ':');
  if (colon == 0 || colon == text.size()) return false;
  for (const char c : first_bytes(text, colon)) {
    if (!is_type_char(c)) return false;
  }
  type = first_bytes(text, colon);
  name = after_bytes(text, colon + 1);
  return true;
}

bool split_list(std::string_view text, std::vector<std::string_view>& elements) {
  for (;;) {
    while (!text.empty() && is_separator(text.front())) text.remove_prefix(1);
    if (text.empty()) return true;
    const std::size_t length = element_length(text);
    if (length == std::string_view::npos) return false;
    elements.push_back(first_bytes(text, length));
    text = after_bytes(text, length);
  }
}

std::string_view trim_white(std::string_view text) {
  while (!text.empty() && is_white(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_white(text.back())) text.remove_suffix(1);
  return text;
}

bool is_braced(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return false;
  // Not `{a} {b}`: the first brace must be closed by the last.
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i + 1 == text.size();
  }
  return false;
}

std::string_view strip_braces(std::string_view text) {
  text = trim_white(text);
  if (!is_braced(text)) return text;
  text.remove_prefix(1);
  text.remove_suffix(1);
  return trim_white(text);
}

bool split_assignment(std::string_view text, std::string_view& name, std::string_view& value) {
  const std::size_t equals = find_byte(text, '=');
  if (equals == text.size()) return false;
  name = trim_white(first_bytes(text, equals));
  value = trim_white(after_bytes(text, equals + 1));
  return !name.empty();
}

std::string with_suffix(std::string_view name, std::string_view suffix) {
  return std::string(name).append(ends_with(name, suffix) ? "" : suffix);
}

AddressParts split_address(std::string_view address) {
  const std::size_t at = find_last_byte(address, '@');
  if (at == address.size()) return {address, {}, false};
  return {first_bytes(address, at), after_bytes(address, at + 1), true};
}

}  // namespace qv::maps
