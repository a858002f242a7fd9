// SPDX-License-Identifier: 0BSD
#include "verify/passwd.h"

#include <unistd.h>

#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "helper/records.h"

namespace qv {

namespace {

using helper::Outcome;
using helper::Reply;

constexpr std::size_t kMaxNsswitch = 1048576;  // bytes

// Does nss-systemd serve people, not only the names of services?  systemd-homed has its socket,
// user records their directories (nss-systemd(8), userdbd.conf(5)).
bool userdb_in_use() {
  if (access("/run/systemd/userdb/io.systemd.Home", F_OK) == 0) return true;
  for (const char* path : {"/etc/userdb", "/run/userdb", "/usr/lib/userdb"}) {
    if (access(path, F_OK) == 0) return true;
  }
  return false;
}

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

void Passwd::forget() {
  index_.at_us = PendingLookup::kNever;
  sources_known_.at_us = PendingLookup::kNever;
  names_.forget();
}

void Passwd::read_sources() {
  if (lookups_.is_fresh(sources_known_)) return;
  lookups_.set_fresh(sources_known_);
  SourceStamp seen;
  const Result<std::string> text = read_regular_file(paths_.nsswitch, kMaxNsswitch, seen);
  // Without the file glibc goes by its defaults.  While it cannot be read, or is being written,
  // what was read before stays; at first every name is asked for.
  if (text.ok() ? seen.unfinished && seen.settled == 0 : !errno_means_absent(seen.errnum)) return;
  source_ = passwd_source(text.ok() ? text.value() : std::string(), userdb_in_use());
}

Result<Look> Passwd::refresh() {
  if (!lookups_.is_fresh(index_) && index_.table) {
    const FileStamp now = take_stamp(paths_.passwd.c_str());
    if (now.errnum != 0) return Error{fault_from_errno(now.errnum), now.errnum, "/etc/passwd"};
    if (still_holds(index_.stamp, now)) lookups_.set_fresh(index_);
  }
  if (lookups_.is_fresh(index_)) {
    if (index_.error) return *index_.error;
    return Look::yes;
  }
  const FileStamp have = index_.table ? index_.stamp : FileStamp{};
  lookups_.ask(index_, helper::passwd_index_request(have), [this](Reply reply) -> Result<void> {
    if (reply.outcome == Outcome::unchanged) return {};
    QV_TRY(CdbFile table, CdbFile::map(std::move(reply.file)));
    index_.table = std::move(table);
    index_.stamp = reply.stamp;
    return {};
  });
  lookups_.wait_for(index_);
  return Look::pending;
}

Result<Look> Passwd::find_in_index(std::string_view name, Owner& owner) const {
  std::string_view value;
  QV_TRY(const Answer answer, index_.table->find(name, value));
  if (answer == Answer::absent) return Look::no;
  QV_TRY(const helper::PasswdEntry entry, helper::decode_passwd(value));
  owner = {name, entry.uid, entry.gid, entry.home};
  return Look::yes;
}

Result<void> Passwd::take_name(Reply reply, Name& name) {
  name.exists = reply.outcome == Outcome::found;
  name.uid = reply.uid;
  name.gid = reply.gid;
  name.user = std::move(reply.user);
  name.home = std::move(reply.home);
  return {};
}

Result<Look> Passwd::find_by_name_service(std::string_view name, Owner& owner) {
  // Nothing that can be no login name is asked about.
  if (!helper::can_be_login_name(name)) return Look::no;
  const auto make = [name](const auto&) { return helper::passwd_user_request(name); };
  QV_TRY(const Name* known,
         names_.find_by_helper(name, lane_of(LaneKind::name_service, 0), make, take_name));
  if (known == nullptr) return Look::pending;
  if (!known->exists) return Look::no;
  owner = {known->user, known->uid, known->gid, known->home};
  return Look::yes;
}

Result<Look> Passwd::find_user(std::string_view name, Owner& owner) {
  read_sources();
  if (source_ == PasswdSource::name_service) return find_by_name_service(name, owner);
  QV_TRY(const Look ready, refresh());
  if (ready == Look::pending) return Look::pending;
  QV_TRY(const Look found, find_in_index(name, owner));
  if (found == Look::yes || source_ == PasswdSource::files_only) return found;
  return find_by_name_service(name, owner);
}

}  // namespace qv
