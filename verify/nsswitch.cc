// SPDX-License-Identifier: 0BSD
#include "verify/nsswitch.h"

#include "core/text.h"

namespace qv {

namespace {

// The sources of "passwd: a b [x=y] c", without what is in brackets; empty where there is no such
// line.  The last one counts, as glibc reads it.
std::string_view passwd_line(std::string_view text) {
  std::string_view sources;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    line = trim_blanks(first_bytes(line, find_byte(line, '#')));
    if (!starts_with(line, "passwd")) continue;
    const std::string_view rest = trim_blanks(after_bytes(line, 6));
    if (!rest.empty() && rest.front() == ':') sources = after_bytes(rest, 1);
  }
  return sources;
}

// The next source; empty at the end.
std::string_view next_source(std::string_view& rest) {
  rest = trim_blanks(rest);
  while (!rest.empty() && rest.front() == '[') {
    (void)take_until(rest, ']');
    rest = trim_blanks(rest);
  }
  std::size_t end = 0;
  while (end < rest.size() && !is_blank(rest[end]) && rest[end] != '[') ++end;
  const std::string_view source = first_bytes(rest, end);
  rest = after_bytes(rest, end);
  return source;
}

}  // namespace

PasswdSource passwd_source(std::string_view nsswitch, bool userdb) {
  std::string_view rest = passwd_line(nsswitch);
  bool files = trim_blanks(rest).empty();
  bool others = false;
  while (true) {
    const std::string_view source = next_source(rest);
    if (source.empty()) break;
    if (source == "systemd" && !userdb) continue;
    if (source == "files") {
      if (!others) files = true;
    } else {
      others = true;
    }
  }
  if (!files) return PasswdSource::name_service;
  return others ? PasswdSource::files_first : PasswdSource::files_only;
}

}  // namespace qv
