// SPDX-License-Identifier: 0BSD
#include "helper/passwd.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "helper/records.h"
#include "maps/cdb_file.h"
#include "process/memory_file.h"

namespace qv::helper {

namespace {

constexpr off_t kMaxPasswd = 268435456;
constexpr std::size_t kMaxNssBuffer = 1048576;
constexpr int kTries = 3;

struct Snapshot {
  Stamp stamp;
  std::string text;  // empty and not read where `stamp` says that nothing has changed
  bool changed_meanwhile = false;
};

bool same_file(const Stamp& a, const Stamp& b) {
  Stamp settled = a;
  settled.settled = 1;
  return still_holds(settled, b);
}

// One reading of the file; it may have been written meanwhile.
Result<Snapshot> read_once(const char* path, const Stamp& have) {
  Snapshot snapshot;
  const std::int64_t now_ns = wall_clock_ns();
  QV_TRY(const Fd file, open_read(path));
  struct stat st {};
  if (fstat(file.get(), &st) != 0) return errno_error("fstat");
  if (!S_ISREG(st.st_mode)) return Error{Fault::config, EINVAL, "password file"};
  if (st.st_size > kMaxPasswd) return Error{Fault::config, EFBIG, "password file"};
  snapshot.stamp = stamp_of(st, now_ns);
  if (still_holds(have, snapshot.stamp)) return snapshot;

  // One byte more than there is: a file that grows is noticed.
  snapshot.text.resize(static_cast<std::size_t>(st.st_size) + 1);
  QV_TRY(const std::size_t got, read_full(file.get(), snapshot.text.data(), snapshot.text.size()));
  snapshot.changed_meanwhile = got != static_cast<std::size_t>(st.st_size);
  snapshot.text.resize(got);
  if (fstat(file.get(), &st) != 0) return errno_error("fstat");
  if (!same_file(snapshot.stamp, stamp_of(st, now_ns))) snapshot.changed_meanwhile = true;
  return snapshot;
}

Result<Snapshot> read_passwd(const char* path, const Stamp& have) {
  for (int i = 0; i < kTries; ++i) {
    QV_TRY(Snapshot snapshot, read_once(path, have));
    if (!snapshot.changed_meanwhile) return snapshot;
  }
  return Error{Fault::retry, EAGAIN, "password file"};
}

// add() keeps the order, and a reader finds the first: as getpwnam(3) does.
Result<Fd> build_index(std::string_view text) {
  QV_TRY(Fd file, process::open_memory_file("passwd-index"));
  QV_TRY(CdbBuilder builder, CdbBuilder::start(file.get()));
  std::string value;
  while (!text.empty()) {
    PasswdEntry entry;
    if (!parse_passwd_line(take_until(text, '\n'), entry)) continue;
    encode_passwd(entry, value);
    QV_TRY_VOID(builder.add(entry.name, value));
  }
  QV_TRY_VOID(builder.finish());
  QV_TRY_VOID(process::seal(file));
  return file;
}

// glibc says 0 for "no such user".  getpwnam(3) lists these two as well: a service that is named
// in nsswitch.conf and not installed here has no users.
bool means_no_such_user(int errnum) { return errnum == 0 || errnum == ENOENT || errnum == ESRCH; }

Finding found_user(const passwd& entry) {
  const std::string_view user(entry.pw_name);
  std::string_view home(entry.pw_dir == nullptr ? "" : entry.pw_dir);
  if (!starts_with(home, "/")) home = {};
  if (user.size() >= kMaxPath || home.size() >= kMaxPath) return fault_finding(ENAMETOOLONG);
  Finding result = finding(Outcome::found);
  Response& response = result.response;
  response.uid = entry.pw_uid;
  response.gid = entry.pw_gid;
  memcpy(response.user, user.data(), user.size());
  response.user_length = static_cast<std::uint16_t>(user.size());
  if (!home.empty()) memcpy(response.home, home.data(), home.size());
  response.home_length = static_cast<std::uint16_t>(home.size());
  return result;
}

}  // namespace

Finding index_passwd(const Request& request, const char* path) {
  Result<Snapshot> snapshot = read_passwd(path, request.have);
  if (!snapshot.ok()) return fault_finding(snapshot.error());
  Finding result = finding(Outcome::unchanged);
  result.response.stamp = snapshot.value().stamp;
  if (still_holds(request.have, snapshot.value().stamp)) return result;

  Result<Fd> index = build_index(snapshot.value().text);
  if (!index.ok()) return fault_finding(index.error());
  result.response.outcome = Outcome::found;
  result.response.has_file = Attached::sealed_copy;
  result.file = std::move(index).value();
  return result;
}

Finding find_passwd_user(const Request& request) {
  for (std::size_t size = 4096; size <= kMaxNssBuffer; size *= 4) {
    std::vector<char> buffer(size);
    passwd entry{};
    passwd* result = nullptr;
    int errnum = 0;
    do {
      errnum = getpwnam_r(request.name, &entry, buffer.data(), buffer.size(), &result);
    } while (errnum == EINTR);
    if (errnum == ERANGE) continue;
    if (result != nullptr) return found_user(*result);
    return means_no_such_user(errnum) ? finding(Outcome::absent) : fault_finding(errnum);
  }
  return fault_finding(ERANGE);
}

}  // namespace qv::helper
