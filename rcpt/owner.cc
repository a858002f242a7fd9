// SPDX-License-Identifier: 0BSD
#include "rcpt/owner.h"

#include <cerrno>
#include <cstdint>

#include "core/text.h"

namespace qv {

Next failed(Decision& decision, const Error& error, Why otherwise, std::uint8_t position) {
  return decided(decision, error.errnum == ETIMEDOUT ? Why::timeout : otherwise, position);
}

namespace {

constexpr std::size_t kUserLimit = 32;  // qmail-getpw: a login name is shorter than this

// `owner` holds the record that was found.
Next check_record(const UserRecord& owner, Decision& decision, Trail* trail) {
  note(trail, "users/cdb: ",
       owner.source == OwnerSource::exact ? "exact entry for " : "wildcard entry for ",
       Quoted{owner.matched}, ": user ", Quoted{owner.user.view()});
  decision.user.assign_cut(owner.user.view());
  if (owner.broken_at != 0) {
    note(trail, "users/cdb: the record is broken off or malformed (position ", owner.broken_at,
         ")");
    return decided(decision, Why::table_error, owner.broken_at);
  }
  if (owner.uid == 0) {
    // qmail-lspawn defers (QLX_ROOT): an operator can still mend the assignment.
    note(trail, "users/cdb: uid 0: qmail delivers nothing as root");
    return decided(decision, Why::table_error, 4);
  }
  return Next::go_on;
}

// The entry as `owner`; false where its name or home is longer than either can be.
bool copy_entry(const Owner& entry, std::string_view dash, std::string_view rest,
                UserRecord& owner) {
  owner.user.clear();
  owner.home.clear();
  owner.dash.clear();
  owner.ext.clear();
  owner.uid = entry.uid;
  owner.gid = entry.gid;
  owner.broken_at = 0;
  owner.rest = rest;
  owner.source = OwnerSource::passwd;
  owner.matched = {};
  return owner.user.append(entry.user) && owner.home.append(entry.home) && owner.dash.append(dash);
}

// Is the user that was found one that receives mail, with a home of its own?
Result<Look> is_mail_user(const UserRecord& owner, Lookups& lookups, Trail* trail) {
  if (owner.uid == 0 || owner.home.empty()) {
    note(trail, "passwd: ", Quoted{owner.user.view()}, " is uid 0 or has no home: passed over");
    return Look::no;
  }
  const Result<Look> owns = lookups.owns_home(owner_of(owner));
  if (!owns.ok()) {
    note(trail, "passwd: ", Quoted{owner.user.view()},
         ": cannot look at the home: ", std::string_view(owns.error().what));
  } else if (owns.value() == Look::no) {
    note(trail, "passwd: ", Quoted{owner.user.view()},
         " does not own the home, or there is none: passed over");
  }
  return owns;
}

// One prefix of the local part: is it a user?
Next try_user(std::string_view local, std::size_t size, Lookups& lookups, UserRecord& owner,
              Look& answer, Decision& decision, Trail* trail) {
  FixedText<kUserLimit> name;
  for (const char c : first_bytes(local, size)) {
    if (!name.append(ascii_lower(c))) return Next::go_on;
  }
  Owner entry;
  const Result<Look> found = lookups.find_user(name.view(), entry);
  if (!found.ok()) {
    note(trail, "passwd: ", Quoted{name.view()}, ": ", std::string_view(found.error().what));
    return failed(decision, found.error(), Why::passwd_error, 0);
  }
  answer = found.value();
  if (answer == Look::pending) return pending(decision);
  if (answer == Look::no) {
    note(trail, "passwd: no user ", Quoted{name.view()});
    return Next::go_on;
  }
  const std::string_view dash = size < local.size() ? "-" : "";
  if (!copy_entry(entry, dash, after_bytes(local, size + 1), owner)) {
    return decided(decision, Why::passwd_error, 0);
  }
  const Result<Look> mail_user = is_mail_user(owner, lookups, trail);
  if (!mail_user.ok()) return failed(decision, mail_user.error(), Why::home_error, 0);
  answer = mail_user.value();
  return answer == Look::pending ? pending(decision) : Next::go_on;
}

// Nobody else's: it goes to the alias user.
Next take_alias(std::string_view local, Lookups& lookups, UserRecord& owner, Decision& decision,
                Trail* trail) {
  Owner entry;
  const Result<Look> found = lookups.find_user(kAliasUser, entry);
  if (!found.ok()) {
    note(trail, "passwd: ", kAliasUser, ": ", std::string_view(found.error().what));
    return failed(decision, found.error(), Why::passwd_error, 0);
  }
  if (found.value() == Look::pending) return pending(decision);
  if (found.value() == Look::no || entry.uid == 0 || entry.home.empty()) {
    note(trail, "passwd: no user ", Quoted{local}, ", and no alias user with a home");
    return decided(decision, Why::unknown_user, 8);
  }
  if (!copy_entry(entry, "-", local, owner)) return decided(decision, Why::passwd_error, 0);
  note(trail, "passwd: nobody's, so the alias user's, extension ", Quoted{local});
  return Next::go_on;
}

// The longest prefix that is a user, cut where a '-' stands; qmail-getpw's rule that a name is
// shorter than 32 bytes bounds the number of questions.
Next find_in_passwd(std::string_view local, Lookups& lookups, UserRecord& owner, Decision& decision,
                    Trail* trail) {
  std::size_t size = local.size() < kUserLimit ? local.size() : kUserLimit - 1;
  for (; size > 0; --size) {
    if (size < local.size() && local[size] != '-') continue;
    Look answer = Look::no;
    if (try_user(local, size, lookups, owner, answer, decision, trail) == Next::stop) {
      return Next::stop;
    }
    if (answer == Look::no) continue;
    note(trail, "passwd: user ", Quoted{owner.user.view()}, ", home ", Quoted{owner.home.view()});
    return Next::go_on;
  }
  return take_alias(local, lookups, owner, decision, trail);
}

}  // namespace

Next find_owner(std::string_view local, const UsersCdb& users, Lookups& lookups, UserRecord& owner,
                Decision& decision, Trail* trail) {
  const Result<Answer> assigned = users.find(local, owner);
  if (!assigned.ok()) {
    note(trail, "users/cdb: ", std::string_view(assigned.error().what));
    return failed(decision, assigned.error(), Why::table_error, 0);
  }
  if (assigned.value() == Answer::found) return check_record(owner, decision, trail);
  note(trail, "users/cdb: no entry for ", Quoted{local});
  if (find_in_passwd(local, lookups, owner, decision, trail) == Next::stop) return Next::stop;
  decision.user.assign_cut(owner.user.view());
  return Next::go_on;
}

}  // namespace qv
