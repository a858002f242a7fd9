// SPDX-License-Identifier: 0BSD
#include "verify/passwd.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/fault.h"
#include "core/file.h"
#include "helper/records.h"

namespace qv {

namespace {

using helper::Outcome;
using helper::Reply;

// Does nss-systemd serve people, not only the names of services?  systemd-homed has its socket,
// user records their directories (nss-systemd(8), userdbd.conf(5)).
bool userdb_in_use() {
  if (access("/run/systemd/userdb/io.systemd.Home", F_OK) == 0) return true;
  for (const char* path : {"/etc/userdb", "/run/userdb", "/usr/lib/userdb"}) {
    if (access(path, F_OK) == 0) return true;
  }
  return false;
}

// nsswitch.conf whole; empty where there is none, as glibc takes it.
std::string read_text(const std::string& path) {
  Result<Fd> file = open_read(path.c_str());
  std::string text(65536, '\0');
  if (!file.ok()) return {};
  const Result<std::size_t> got = read_full(file.value().get(), text.data(), text.size());
  text.resize(got.ok() ? got.value() : 0);
  return text;
}

}  // namespace

void Passwd::forget() {
  index_.at_us = Known::kNever;
  sources_known_.at_us = Known::kNever;
  names_.clear();
}

void Passwd::read_sources() {
  if (askers_.is_fresh(sources_known_)) return;
  askers_.set_fresh(sources_known_);
  source_ = passwd_source(read_text(paths_.nsswitch), userdb_in_use());
}

Result<Look> Passwd::refresh() {
  if (!askers_.is_fresh(index_) && index_.table) {
    struct stat st {};
    if (stat(paths_.passwd.c_str(), &st) != 0) return errno_error("/etc/passwd");
    const helper::Stamp now = helper::stamp_of(st, helper::wall_clock_ns());
    if (helper::still_holds(index_.stamp, now)) askers_.set_fresh(index_);
  }
  if (askers_.is_fresh(index_)) {
    if (index_.error) return *index_.error;
    return Look::yes;
  }
  const helper::Stamp have = index_.table ? index_.stamp : helper::Stamp{};
  askers_.ask(index_, helper::passwd_index_request(have),
              [this](Result<Reply> result) -> Result<void> {
                QV_TRY(Reply reply, std::move(result));
                if (reply.outcome == Outcome::unchanged) return {};
                QV_TRY(CdbFile table, CdbFile::map(std::move(reply.file)));
                index_.table = std::move(table);
                index_.stamp = reply.stamp;
                return {};
              });
  askers_.need(index_);
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

Result<Look> Passwd::find_by_name_service(std::string_view name, Owner& owner) {
  Name* known = names_.find(name);
  if (known == nullptr) known = &names_.add(name);
  if (!askers_.is_fresh(*known)) {
    Result<helper::Request> request = helper::passwd_user_request(name);
    if (!request.ok()) return Look::no;  // no login name looks like that
    askers_.ask(*known, request.value(), [known](Result<Reply> result) -> Result<void> {
      QV_TRY(Reply reply, std::move(result));
      known->exists = reply.outcome == Outcome::found;
      known->uid = reply.uid;
      known->gid = reply.gid;
      known->user = std::move(reply.user);
      known->home = std::move(reply.home);
      return {};
    });
    askers_.need(*known);
    return Look::pending;
  }
  if (known->error) return *known->error;
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
