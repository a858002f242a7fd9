// SPDX-License-Identifier: 0BSD
#include "agent/passwd.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include <string>
#include <utility>
#include <vector>

#include "core/fault.h"
#include "core/text.h"
#include "maps/cdb_file.h"
#include "maps/cdb_writer.h"
#include "process/memory_file.h"

namespace qv::agent {

namespace {

constexpr std::size_t kMaxPasswd = 268435456;
constexpr std::size_t kMaxNssBuffer = 1048576;
constexpr int kTries = 3;
constexpr std::uint64_t kMaxId = UINT32_MAX - 1;  // (uid_t)-1 is nobody's

// Cuts a decimal id and the `separator` behind it off `rest`.
bool take_id(std::string_view& rest, char separator, uid_t& id) {
  std::uint64_t number = 0;
  if (!parse_decimal(take_until(rest, separator), kMaxId, number)) return false;
  id = static_cast<uid_t>(number);
  return true;
}

std::string_view without_leading_space(std::string_view s) {
  while (!s.empty() && (is_blank(s.front()) || (s.front() >= '\n' && s.front() <= '\r'))) {
    s.remove_prefix(1);
  }
  return s;
}

// add() keeps the order, and a reader finds the first: as getpwnam(3) does.
Result<Fd> build_index(std::string_view text) {
  QV_TRY(Fd file, process::open_memory_file("passwd-index"));
  maps::CdbWriter writer(file.get());
  std::string value;
  while (!text.empty()) {
    PasswdEntry entry;
    if (!parse_passwd_line(take_until(text, '\n'), entry)) continue;
    encode_passwd(entry, value);
    QV_TRY_VOID(writer.add(entry.name, value));
  }
  QV_TRY_VOID(writer.finish());
  QV_TRY_VOID(process::seal(file));
  return file;
}

// glibc returns 0 for "no such user".  getpwnam(3) lists these two as well: a service that
// nsswitch.conf names and that is not installed has no users.
bool means_no_such_user(int errnum) { return errnum == 0 || errnum == ENOENT || errnum == ESRCH; }

Error fault(int errnum) { return {fault_from_errno(errnum), errnum, ""}; }

Finding found_user(const passwd& entry) {
  const std::string_view user(entry.pw_name);
  std::string_view home(entry.pw_dir == nullptr ? "" : entry.pw_dir);
  if (!starts_with(home, "/")) home = {};
  if (user.size() >= kMaxPath || home.size() >= kMaxPath) {
    return fault(ENAMETOOLONG);
  }
  Finding result(Outcome::found);
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

// nss_files(5): blanks before an entry and lines that begin with '#' are passed over, and an entry
// may end after its gid.
bool parse_passwd_line(std::string_view line, PasswdEntry& entry) {
  line = without_leading_space(line);
  if (line.empty() || line.front() == '#' || line.front() == '+' || line.front() == '-') {
    return false;
  }
  if (find_byte(line, '\0') != line.size()) return false;
  PasswdEntry parsed;
  parsed.name = take_until(line, ':');
  static_cast<void>(take_until(line, ':'));  // password
  if (parsed.name.empty() || !take_id(line, ':', parsed.uid) || !take_id(line, ':', parsed.gid)) {
    return false;
  }
  static_cast<void>(take_until(line, ':'));  // full name
  const std::string_view home = take_until(line, ':');
  if (starts_with(home, "/")) parsed.home = home;
  entry = parsed;
  return true;
}

void encode_passwd(const PasswdEntry& entry, std::string& value) {
  value = std::to_string(entry.uid);
  value.append(1, '\0').append(std::to_string(entry.gid)).append(1, '\0');
  value.append(entry.home).append(1, '\0');
}

Result<PasswdEntry> decode_passwd(std::string_view value) {
  PasswdEntry entry;
  if (!take_id(value, '\0', entry.uid) || !take_id(value, '\0', entry.gid) || value.empty() ||
      find_byte(value, '\0') != value.size() - 1) {
    return Error{Fault::protocol, EPROTO, "record"};
  }
  entry.home = first_bytes(value, value.size() - 1);
  return entry;
}

Result<std::string> read_passwd(const char* path, control::SourceStamp& seen,
                                control::WallClock clock) {
  Result<std::string> text = control::read_regular_file(path, kMaxPasswd, seen, clock);
  for (int i = 1; i < kTries && !text.ok() && text.error().errnum == EAGAIN; ++i) {
    text = control::read_regular_file(path, kMaxPasswd, seen, clock);
  }
  return text;
}

Finding index_passwd(const Request& request, const char* path, control::WallClock clock) {
  Finding result(Outcome::unchanged);
  result.response.stamp = control::take_stamp(path);
  if (control::still_holds(request.have, result.response.stamp)) return result;

  control::SourceStamp seen;
  QV_TRY(const std::string text, read_passwd(path, seen, clock));
  if (seen.unfinished && seen.settled == 0) {
    // It may be half written.  The index that the front has serves until it is whole.
    if (request.have.inode == 0) return fault(EAGAIN);
    result.response.stamp = request.have;
    return result;
  }
  QV_TRY(result.file, build_index(text));
  result.response.stamp = seen;
  result.response.outcome = Outcome::found;
  result.response.has_file = 1;
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
    return means_no_such_user(errnum) ? Finding(Outcome::absent) : fault(errnum);
  }
  return fault(ERANGE);
}

}  // namespace qv::agent
