// SPDX-License-Identifier: 0BSD
#include "core/text.h"
#include "rcpt/steps.h"

namespace qv::rcpt {

namespace {

constexpr std::size_t kUserLimit = 32;  // qmail-getpw: a login name is shorter than this

// `owner` is the record that was found.
Next check_record(DecisionRun& run, const UserRecord& owner) {
  run.explain("users/cdb: ",
              owner.source == OwnerSource::exact ? "exact entry for " : "wildcard entry for ",
              Quoted{owner.matched}, ": user ", Quoted{owner.user.view()});
  run.decision.user.assign_cut(owner.user.view());
  if (owner.broken_at != 0) {
    run.explain("users/cdb: the record is cut short or malformed (position ", owner.broken_at, ")");
    return run.decided(Why::table_error, owner.broken_at);
  }
  if (owner.uid == 0) {
    // qmail-lspawn defers (QLX_ROOT): the operator can still correct the assignment.
    run.explain("users/cdb: uid 0: qmail delivers nothing as root");
    return run.decided(Why::table_error, 4);
  }
  return Next::go_on;
}

// Is there such a login name?  `owner` is set on yes.
Next look_up(DecisionRun& run, std::string_view name, std::string_view dash, std::string_view rest,
             UserRecord& owner, Look& answer) {
  Owner entry;
  const Result<Look> found = run.in.lookups.find_user(name, entry);
  if (run.answered(found, Why::passwd_error, 0, "passwd: ", Quoted{name}) == Next::stop) {
    return Next::stop;
  }
  answer = found.value();
  if (answer == Look::no) return Next::go_on;
  owner.uid = entry.uid;
  owner.gid = entry.gid;
  owner.ext.clear();
  owner.broken_at = 0;
  owner.source = OwnerSource::passwd;
  owner.matched = {};
  owner.rest = rest;
  const bool fits =
      owner.user.assign(entry.user) && owner.home.assign(entry.home) && owner.dash.assign(dash);
  return fits ? Next::go_on : run.decided(Why::passwd_error, 0);
}

// Does the user that was found receive mail, in a home of its own?
Next check_home(DecisionRun& run, const UserRecord& owner, Look& answer) {
  const Quoted user{owner.user.view()};
  answer = Look::no;
  if (owner.uid == 0 || owner.home.empty()) {
    run.explain("passwd: ", user, " is uid 0 or has no home: passed over");
    return Next::go_on;
  }
  const Result<Look> owns = run.in.lookups.owns_home(owner_of(owner));
  if (run.answered(owns, Why::home_error, 0, "passwd: ", user, ": cannot look at the home") ==
      Next::stop) {
    return Next::stop;
  }
  answer = owns.value();
  if (answer == Look::no) {
    run.explain("passwd: ", user, " does not own the home, or there is none: passed over");
  }
  return Next::go_on;
}

// One prefix of the local part: is it a user?
Next try_user(DecisionRun& run, std::string_view local, std::size_t size, UserRecord& owner,
              Look& answer) {
  FixedText<kUserLimit> name;
  if (!name.append_lower(first_bytes(local, size))) return Next::go_on;
  const std::string_view dash = size < local.size() ? "-" : "";
  const std::string_view rest = after_bytes(local, size + 1);
  if (look_up(run, name.view(), dash, rest, owner, answer) == Next::stop) return Next::stop;
  if (answer == Look::yes) return check_home(run, owner, answer);
  run.explain("passwd: no user ", Quoted{name.view()});
  return Next::go_on;
}

// The local part of no user belongs to the alias user.
Next assign_to_alias(DecisionRun& run, std::string_view local, UserRecord& owner) {
  Look answer = Look::no;
  if (look_up(run, kAliasUser, "-", local, owner, answer) == Next::stop) return Next::stop;
  if (answer == Look::no || owner.uid == 0 || owner.home.empty()) {
    run.explain("passwd: no user ", Quoted{local}, ", and no alias user with a home");
    return run.decided(Why::unknown_user, 8);
  }
  run.explain("passwd: no user's, so the alias user's, extension ", Quoted{local});
  return Next::go_on;
}

// The longest prefix that is a user and ends before a '-' or at the end; qmail-getpw's rule that a
// name is shorter than 32 bytes bounds the number of questions.
Next find_in_passwd(DecisionRun& run, std::string_view local, UserRecord& owner) {
  std::size_t size = local.size() < kUserLimit ? local.size() : kUserLimit - 1;
  for (; size > 0; --size) {
    if (size < local.size() && local[size] != '-') continue;
    Look answer = Look::no;
    if (try_user(run, local, size, owner, answer) == Next::stop) return Next::stop;
    if (answer == Look::no) continue;
    run.explain("passwd: user ", Quoted{owner.user.view()}, ", home ", Quoted{owner.home.view()});
    return Next::go_on;
  }
  return assign_to_alias(run, local, owner);
}

}  // namespace

Next find_owner(DecisionRun& run, std::string_view local, UserRecord& owner) {
  const Result<maps::Answer> assigned = run.in.users.find(local, owner);
  if (!assigned.ok()) {
    run.explain("users/cdb: ", assigned.error().what);
    return run.failed(assigned.error(), Why::table_error, 0);
  }
  if (assigned.value() == maps::Answer::found) return check_record(run, owner);
  run.explain("users/cdb: no entry for ", Quoted{local});
  if (find_in_passwd(run, local, owner) == Next::stop) return Next::stop;
  run.decision.user.assign_cut(owner.user.view());
  return Next::go_on;
}

}  // namespace qv::rcpt
