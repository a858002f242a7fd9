// SPDX-License-Identifier: 0BSD
#include "core/check.h"
#include "core/text.h"
#include "rcpt/steps.h"

namespace qv {

namespace {

constexpr std::string_view kCatchAll = ".qmail-default";
using Name = FixedText<kMaxDotqmailName>;

// Can a file of this name exist?
bool may_exist(std::string_view name, std::size_t longest) {
  if (find_byte(name, '/') == name.size()) return name.size() <= longest;
  while (!name.empty()) {
    if (take_until(name, '/').size() > kMaxFileName) return false;
  }
  return true;
}

// "." becomes ":", so that no extension leads out of the home.
bool append_safely(std::string_view ext, Name& name) {
  for (const char c : ext) {
    if (!name.append(c == '.' ? ':' : ascii_lower(c))) return false;
  }
  return true;
}

}  // namespace

Next search_dotqmail(DecisionRun& run, const UserRecord& owner, DotqmailFile& found) {
  Name full;
  bool fits = full.append(".qmail") && full.append(owner.dash.view());
  const std::size_t base = full.size();
  fits = fits && append_safely(owner.ext.view(), full) && append_safely(owner.rest, full) &&
         full.size() + kDefault.size() <= kMaxDotqmailName && found.name.assign(full.view());
  QV_CHECK(fits);

  const Owner home_owner = owner_of(owner);
  const std::size_t longest = run.in.lookups.longest_name(home_owner);
  int asked = 0;
  bool exists = false;
  // go_on: `exists` is known of found.name.
  const auto ask = [&](std::uint8_t position_of_fault) {
    const std::string_view name = found.name.view();
    if (!may_exist(name, longest)) return Next::go_on;
    if (++asked > kMaxNamesAsked) {
      run.explain("home: too many names to look for");
      return run.decided(Why::home_error, position_of_fault);
    }
    const Result<Look> look = run.in.lookups.has_file(home_owner, name);
    const Next next =
        run.answered(look, Why::home_error, position_of_fault, "home: ", Quoted{home_owner.home},
                     ": cannot look for ", Quoted{name});
    if (next == Next::stop) return next;
    exists = look.value() == Look::yes;
    run.explain("home: ", Quoted{home_owner.home}, exists ? " has " : " does not have ",
                Quoted{name});
    return next;
  };
  if (ask(11) == Next::stop) return Next::stop;
  found.exact = exists;
  // Then for each prefix of ext that is empty or ends in '-', longest first.
  for (std::size_t size = full.size(); !exists && size >= base; --size) {
    if (size > base && full.view()[size - 1] != '-') continue;
    QV_CHECK(found.name.assign(first_bytes(full.view(), size)) && found.name.append(kDefault));
    found.default_at = size - base;
    if (ask(13) == Next::stop) return Next::stop;
  }
  if (!exists) return run.decided(Why::unknown_user, 14);
  found.is_catch_all = found.name.view() == kCatchAll;
  return Next::go_on;
}

}  // namespace qv
