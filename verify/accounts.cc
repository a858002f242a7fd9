// SPDX-License-Identifier: 0BSD
#include "verify/accounts.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/agent.h"
#include "agent/passwd.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"

namespace qv::verify {

namespace {

using agent::Outcome;
using agent::Reply;

// The account as agents know it, by name; a key of users/cdb is in lower case.
std::string account_of(const rcpt::Owner& owner) {
  std::string account = agent::account_name(
      owner.source, owner.source == rcpt::OwnerSource::passwd ? owner.user : owner.matched);
  for (char& c : account) c = ascii_lower(c);
  return account;
}

agent::HomeOwner home_owner(const rcpt::Owner& owner, std::string_view account) {
  return {account, owner.uid, agent::group_for_looking(owner.gid), owner.home};
}

Lane lane_of(const rcpt::Owner& owner) { return lane_of(LaneKind::owner, owner.uid); }

Result<std::string> read_contents(const Fd& file) {
  std::string bytes(agent::kMaxContents, '\0');
  // The agent has left the offset at the end.
  if (lseek(file.get(), 0, SEEK_SET) != 0) return errno_error("contents");
  QV_TRY(const std::size_t size, read_full(file.get(), bytes.data(), bytes.size()));
  bytes.resize(size);
  bytes.shrink_to_fit();
  return bytes;
}

}  // namespace

// ---- homes --------------------------------------------------------------------------------------

// In a member, so that no look-up allocates it anew.
std::string_view Homes::key_of(const rcpt::Owner& owner,
                               std::initializer_list<std::string_view> items) {
  key_.assign(std::to_string(owner.uid)).append(":").append(std::to_string(owner.gid));
  key_.append(":").append(owner.home);
  for (const std::string_view item : items) key_.append(1, '\0').append(item);
  return key_;
}

void Homes::forget() {
  homes_.forget();
  files_.forget();
  texts_.forget();
  keys_.forget();
}

Result<void> Homes::store_home(Reply reply, Home& home) {
  if (reply.outcome == Outcome::unchanged) return {};
  home.exists = reply.outcome == Outcome::found;
  home.owner = reply.uid;
  home.stamp = reply.stamp;
  home.names.reset();
  if (!reply.file.valid()) return {};
  QV_TRY(maps::CdbFile table, maps::CdbFile::map(std::move(reply.file)));
  std::string_view value;
  QV_TRY(const maps::Answer answer, table.find({}, value));
  if (answer != maps::Answer::found) return Error{Fault::retry, 0, "home index without a summary"};
  QV_TRY(home.summary, agent::decode_summary(value));
  home.names = std::move(table);
  return {};
}

Result<const Homes::Home*> Homes::find_home(const rcpt::Owner& owner) {
  const auto make = [&owner](const CachedLookup<Home>::Entry& known) {
    const bool has_index = known.value.names && !known.error;
    return agent::home_index_request(home_owner(owner, account_of(owner)),
                                     has_index ? known.value.stamp : control::FileStamp{});
  };
  return homes_.find_by_agent(key_of(owner, {}), lane_of(owner), make, store_home);
}

Result<rcpt::Look> Homes::owns_home(const rcpt::Owner& owner) {
  QV_TRY(const Home* home, find_home(owner));
  if (home == nullptr) return rcpt::Look::pending;
  return home->exists && home->owner == owner.uid ? rcpt::Look::yes : rcpt::Look::no;
}

std::size_t Homes::longest_name(const rcpt::Owner& owner) {
  const Home* home = homes_.known(key_of(owner, {}));
  return home != nullptr && home->names ? home->summary.longest : rcpt::kMaxFileName;
}

Result<rcpt::Look> Homes::has_file(const rcpt::Owner& owner, std::string_view name) {
  QV_TRY(const Home* home, find_home(owner));
  if (home == nullptr) return rcpt::Look::pending;
  // A mailbox owner's home that does not exist is more likely not mounted than gone; qmail-local
  // defers such a delivery, too.
  if (!home->exists) return Error{Fault::retry, ENOENT, "home directory"};
  if (home->names) {
    std::string_view unused;
    const std::string_view entry = first_bytes(name, find_byte(name, '/'));
    QV_TRY(const maps::Answer listed, home->names->find(entry, unused));
    if (listed == maps::Answer::absent) return rcpt::Look::no;
  }
  const auto make = [&](const auto&) {
    return agent::home_file_request(home_owner(owner, account_of(owner)), name,
                                    agent::Contents::not_wanted);
  };
  const auto store = [](Reply reply, bool& exists) -> Result<void> {
    exists = reply.outcome == Outcome::found;
    return {};
  };
  QV_TRY(const bool* exists,
         files_.find_by_agent(key_of(owner, {name}), lane_of(owner), make, store));
  if (exists == nullptr) return rcpt::Look::pending;
  return *exists ? rcpt::Look::yes : rcpt::Look::no;
}

Result<rcpt::Look> Homes::read_file(const rcpt::Owner& owner, std::string_view name,
                                    rcpt::FileText& text) {
  const auto make = [&](const auto&) {
    return agent::home_file_request(home_owner(owner, account_of(owner)), name,
                                    agent::Contents::wanted);
  };
  const auto store = [](Reply reply, File& file) -> Result<void> {
    file = {reply.outcome == Outcome::found, true, {}};
    if (!file.exists) return {};
    QV_TRY(file.bytes, read_contents(reply.file));
    file.is_whole = reply.size <= file.bytes.size();
    return {};
  };
  QV_TRY(const File* file,
         texts_.find_by_agent(key_of(owner, {name}), lane_of(owner), make, store));
  if (file == nullptr) return rcpt::Look::pending;
  text = {file->bytes, file->is_whole};
  return file->exists ? rcpt::Look::yes : rcpt::Look::no;
}

Result<rcpt::Look> Homes::find_key(const rcpt::Owner& owner, const maps::TableQuestion& question,
                                   maps::TableFinding& finding) {
  const auto make = [&](const auto&) {
    return agent::home_table_request(home_owner(owner, account_of(owner)), question);
  };
  const char kind = static_cast<char>('0' + static_cast<int>(question.kind));
  key_of(owner, {question.name, std::string_view(&kind, 1)});
  for (const std::string_view key : question.keys) key_.append(1, '\0').append(key);
  QV_TRY(const Reply* reply, keys_.find_by_agent(key_, lane_of(owner), make));
  if (reply == nullptr) return rcpt::Look::pending;
  finding = reply->table;
  return reply->outcome == Outcome::found ? rcpt::Look::yes : rcpt::Look::no;
}

// ---- login names --------------------------------------------------------------------------------

namespace {

constexpr std::size_t kMaxNsswitch = 1048576;  // bytes

// Does nss-systemd serve people, not only the names of services?  systemd-homed has its socket,
// user records their directories (nss-systemd(8), userdbd.conf(5)).
bool userdb_in_use() {
  constexpr const char* kPaths[] = {"/run/systemd/userdb/io.systemd.Home", "/etc/userdb",
                                    "/run/userdb", "/usr/lib/userdb"};
  return std::any_of(std::begin(kPaths), std::end(kPaths),
                     [](const char* path) { return access(path, F_OK) == 0; });
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
  const std::string_view source = first_bytes(rest, rest.find_first_of(" \t["));
  rest = after_bytes(rest, source.size());
  return source;
}

}  // namespace

PasswdSource passwd_source(std::string_view nsswitch, bool userdb) {
  std::string_view rest = passwd_line(nsswitch);
  bool files = trim_blanks(rest).empty();
  bool others = false;
  for (std::string_view source; !(source = next_source(rest)).empty();) {
    if (source == "systemd" && !userdb) continue;
    if (source != "files") others = true;
    files = files || !others;
  }
  if (!files) return PasswdSource::name_service;
  return others ? PasswdSource::files_first : PasswdSource::files_only;
}

void Passwd::forget() {
  index_.at_us = PendingLookup::kNever;
  sources_.at_us = PendingLookup::kNever;
  names_.forget();
}

void Passwd::read_sources() {
  if (lookups_.is_fresh(sources_)) return;
  lookups_.set_fresh(sources_);
  control::SourceStamp seen;
  const Result<std::string> text = control::read_regular_file(paths_.nsswitch, kMaxNsswitch, seen);
  // Without the file glibc uses its defaults.  While it cannot be read, or is being written, the
  // sources read before stay; at the start, the name service is asked about every name.
  if (text.ok() ? seen.unfinished && seen.settled == 0 : !errno_means_absent(seen.errnum)) return;
  source_ = passwd_source(text.ok() ? text.value() : std::string(), userdb_in_use());
}

Result<rcpt::Look> Passwd::refresh() {
  if (!lookups_.is_fresh(index_) && index_.table) {
    const control::FileStamp now = control::take_stamp(paths_.passwd.c_str());
    if (now.errnum != 0) return Error{fault_from_errno(now.errnum), now.errnum, "/etc/passwd"};
    if (control::still_holds(index_.stamp, now)) lookups_.set_fresh(index_);
  }
  if (lookups_.is_fresh(index_)) {
    if (index_.error) return *index_.error;
    return rcpt::Look::yes;
  }
  const control::FileStamp have = index_.table ? index_.stamp : control::FileStamp{};
  lookups_.ask(index_, agent::passwd_index_request(have), [this](Reply reply) -> Result<void> {
    if (reply.outcome == Outcome::unchanged) return {};
    QV_TRY(maps::CdbFile table, maps::CdbFile::map(std::move(reply.file)));
    index_.table = std::move(table);
    index_.stamp = reply.stamp;
    return {};
  });
  lookups_.wait_for(index_);
  return rcpt::Look::pending;
}

Result<rcpt::Look> Passwd::find_in_index(std::string_view name, rcpt::Owner& owner) const {
  std::string_view value;
  QV_TRY(const maps::Answer answer, index_.table->find(name, value));
  if (answer == maps::Answer::absent) return rcpt::Look::no;
  QV_TRY(const agent::PasswdEntry entry, agent::decode_passwd(value));
  owner = {name, entry.uid, entry.gid, entry.home};
  return rcpt::Look::yes;
}

Result<rcpt::Look> Passwd::find_by_name_service(std::string_view name, rcpt::Owner& owner) {
  if (!agent::can_be_login_name(name)) return rcpt::Look::no;
  const auto make = [name](const auto&) { return agent::passwd_user_request(name); };
  QV_TRY(const Reply* known, names_.find_by_agent(name, lane_of(LaneKind::name_service, 0), make));
  if (known == nullptr) return rcpt::Look::pending;
  if (known->outcome != Outcome::found) return rcpt::Look::no;
  owner = {known->user, known->uid, known->gid, known->home};
  return rcpt::Look::yes;
}

Result<rcpt::Look> Passwd::find_user(std::string_view name, rcpt::Owner& owner) {
  read_sources();
  if (source_ == PasswdSource::name_service) return find_by_name_service(name, owner);
  QV_TRY(const rcpt::Look ready, refresh());
  if (ready == rcpt::Look::pending) return rcpt::Look::pending;
  QV_TRY(const rcpt::Look found, find_in_index(name, owner));
  if (found == rcpt::Look::yes || source_ == PasswdSource::files_only) return found;
  return find_by_name_service(name, owner);
}

}  // namespace qv::verify
