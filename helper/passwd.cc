// SPDX-License-Identifier: 0BSD
#include "helper/passwd.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include <string>
#include <utility>
#include <vector>

#include "core/fault.h"
#include "core/text.h"
#include "helper/records.h"
#include "maps/cdb_file.h"
#include "process/memory_file.h"

namespace qv::helper {

namespace {

constexpr std::size_t kMaxPasswd = 268435456;
constexpr std::size_t kMaxNssBuffer = 1048576;
constexpr int kTries = 3;

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

// glibc returns 0 for "no such user".  getpwnam(3) lists these two as well: a service that
// nsswitch.conf names and that is not installed has no users.
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

Result<std::string> read_passwd(const char* path, SourceStamp& seen, WallClock clock) {
  Result<std::string> text = read_regular_file(path, kMaxPasswd, seen, clock);
  for (int i = 1; i < kTries && !text.ok() && text.error().errnum == EAGAIN; ++i) {
    text = read_regular_file(path, kMaxPasswd, seen, clock);
  }
  return text;
}

Finding index_passwd(const Request& request, const char* path, WallClock clock) {
  Finding result = finding(Outcome::unchanged);
  result.response.stamp = take_stamp(path);
  if (still_holds(request.have, result.response.stamp)) return result;

  SourceStamp seen;
  const Result<std::string> text = read_passwd(path, seen, clock);
  if (!text.ok()) return fault_finding(text.error());
  if (seen.unfinished && seen.settled == 0) {
    // It may be half written.  The index that the front has serves until it is whole.
    if (request.have.inode == 0) return fault_finding(EAGAIN);
    result.response.stamp = request.have;
    return result;
  }
  Result<Fd> index = build_index(text.value());
  if (!index.ok()) return fault_finding(index.error());
  result.response.stamp = seen;
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
