// SPDX-License-Identifier: 0BSD
#include "core/check.h"
#include "core/text.h"
#include "rcpt/steps.h"

namespace qv {

namespace {

constexpr std::string_view kDefault = "default";
constexpr std::string_view kCatchAll = ".qmail-default";
using Name = FixedText<kMaxDotqmailName>;

// Could a file of this name be there at all?
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

class Search {
 public:
  Search(DecisionRun& run, const Owner& owner) : run_(run), owner_(owner) {}

  // go_on: `there` says whether the file exists.
  Next ask(std::string_view name, std::uint8_t position_of_fault, Look& there) {
    there = Look::no;
    if (!may_exist(name, longest_)) return Next::go_on;
    if (++asked_ > kMaxNamesAsked) {
      run_.explain("home: too many names to look for");
      return run_.decided(Why::home_error, position_of_fault);
    }
    const Result<Look> answer = run_.in.lookups.has_file(owner_, name);
    if (!answer.ok()) {
      run_.explain("home: ", Quoted{owner_.home}, ": cannot look for ", Quoted{name}, ": ",
                   answer.error().what);
    }
    if (run_.answered(answer, Why::home_error, position_of_fault) == Next::stop) return Next::stop;
    there = answer.value();
    run_.explain("home: ", Quoted{owner_.home}, there == Look::yes ? " has " : " does not have ",
                 Quoted{name});
    return Next::go_on;
  }

 private:
  DecisionRun& run_;
  const Owner owner_;
  std::size_t longest_ = run_.in.lookups.longest_name(owner_);
  int asked_ = 0;
};

// `full` is base + ext: for each prefix of ext that is empty or ends in '-', longest first.
// go_on: `name` is that of the last one asked for, and `there` says whether it exists.
Next search_defaults(Search& search, std::string_view full, std::size_t base, Name& name,
                     Look& there) {
  for (std::size_t size = full.size();; --size) {
    if (size == base || full[size - 1] == '-') {
      name.clear();
      QV_CHECK(name.append(first_bytes(full, size)) && name.append(kDefault));
      if (search.ask(name.view(), 13, there) == Next::stop) return Next::stop;
    }
    if (size == base || there == Look::yes) return Next::go_on;
  }
}

}  // namespace

Next search_dotqmail(DecisionRun& run, const UserRecord& owner, DotqmailFile& found) {
  Name& name = found.name;
  name.clear();
  bool fits = name.append(".qmail") && name.append(owner.dash.view());
  const std::size_t base = name.size();
  fits = fits && append_safely(owner.ext.view(), name) && append_safely(owner.rest, name) &&
         name.size() + kDefault.size() <= kMaxDotqmailName;
  QV_CHECK(fits);

  Search search(run, owner_of(owner));
  Look there = Look::no;
  if (search.ask(name.view(), 11, there) == Next::stop) return Next::stop;
  found.exact = there == Look::yes;
  if (!found.exact) {
    const Name full = name;
    if (search_defaults(search, full.view(), base, name, there) == Next::stop) return Next::stop;
  }
  if (there != Look::yes) return run.decided(Why::unknown_user, 14);
  if (!found.exact) found.default_at = name.size() - base - kDefault.size();
  found.is_catch_all = name.view() == kCatchAll;
  return Next::go_on;
}

}  // namespace qv
