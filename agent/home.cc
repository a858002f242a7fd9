// SPDX-License-Identifier: 0BSD
#include "agent/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "maps/cdb_file.h"
#include "maps/cdb_writer.h"
#include "maps/owner_table.h"
#include "process/channel.h"
#include "process/memory_file.h"

namespace qv::agent {

namespace {

constexpr std::string_view kPrefix = ".qmail";
constexpr std::string_view kDefault = "default";

// O_DIRECTORY makes an automounter mount the home, which O_PATH alone would not; O_PATH needs no
// more permission than chdir(2) does.
Result<Fd> open_home(const Request& request) {
  const int fd = ::open(request.home, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error("home");
  return Fd(fd);
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Result<Directory> open_listing(const Fd& home) {
  Fd fd(openat(home.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return errno_error("list home");
  Directory directory(fdopendir(fd.get()));
  if (directory == nullptr) return errno_error("list home");
  static_cast<void>(fd.release());
  return directory;
}

void count(std::string_view name, IndexSummary& summary) {
  ++summary.count;
  summary.longest = std::max<std::uint64_t>(summary.longest, name.size());
  if (ends_with(name, kDefault)) {
    summary.longest_default = std::max<std::uint64_t>(summary.longest_default, name.size());
  }
}

// absent: beyond `limits`.
Result<maps::Answer> write_index(DIR* directory, const ListLimits& limits,
                                 maps::CdbWriter& writer) {
  const std::int64_t last_us = monotonic_us() + limits.time_us;
  IndexSummary summary;
  for (std::size_t seen = 1;; ++seen) {
    errno = 0;
    const dirent* entry = readdir(directory);
    if (entry == nullptr && errno != 0) return errno_error("list home");
    if (entry == nullptr) break;
    if (seen % 1024 == 0 && monotonic_us() > last_us) return maps::Answer::absent;
    const std::string_view name(entry->d_name);
    if (!starts_with(name, kPrefix)) continue;
    if (summary.count == limits.names) return maps::Answer::absent;
    QV_TRY_VOID(writer.add(name, {}));
    count(name, summary);
  }
  QV_TRY_VOID(writer.add({}, encode_summary(summary)));
  QV_TRY_VOID(writer.finish());
  return maps::Answer::found;
}

// The index, or no descriptor where there can be none.
Result<Fd> list_home(const Fd& home, const ListLimits& limits) {
  Result<Directory> directory = open_listing(home);
  if (!directory.ok() && directory.error().errnum == EACCES) return Fd();
  if (!directory.ok()) return directory.error();
  QV_TRY(Fd file, process::open_memory_file("home-index"));
  maps::CdbWriter writer(file.get());
  QV_TRY(const maps::Answer answer, write_index(directory.value().get(), limits, writer));
  if (answer == maps::Answer::absent) return Fd();
  QV_TRY_VOID(process::seal(file));
  return file;
}

// The first kMaxContents bytes of `file`, sealed.
Result<Fd> copy_contents(const Fd& file) {
  std::string bytes(kMaxContents, '\0');
  QV_TRY(const std::size_t size, read_full(file.get(), bytes.data(), bytes.size()));
  QV_TRY(Fd copy, process::open_memory_file("contents"));
  QV_TRY_VOID(write_all(copy.get(), first_bytes(bytes, size)));
  QV_TRY_VOID(process::seal(copy));
  return copy;
}

Finding found_with(Fd file, const control::FileStamp& stamp) {
  Finding result(Outcome::found);
  result.response.stamp = stamp;
  result.response.has_file = file.valid() ? 1 : 0;
  result.file = std::move(file);
  return result;
}

// ENAMETOOLONG: no file can have that name.  ENXIO, ENODEV: a socket, a device without a driver.
bool nothing_readable_there(int errnum) {
  return errno_means_absent(errnum) || errnum == ENAMETOOLONG || errnum == ENXIO ||
         errnum == ENODEV;
}

// Home/name as a regular file; a descriptor that is not valid: there is none.
Result<Fd> open_regular(const Request& request, struct stat& st) {
  QV_TRY(const Fd home, open_home(request));
  // O_NONBLOCK: a FIFO without a writer, a lease of another process.
  Fd file(openat(home.get(), request.name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) {
    const int errnum = errno;
    if (nothing_readable_there(errnum)) return Fd();
    return Error{fault_from_errno(errnum), errnum, "file in home"};
  }
  if (fstat(file.get(), &st) != 0) return errno_error("fstat");
  if (!S_ISREG(st.st_mode)) return Fd();
  return file;
}

Result<maps::TableFinding> find_in_file(const Request& request, Fd file) {
  QV_TRY(const maps::CdbFile table, maps::CdbFile::map(std::move(file)));
  std::array<std::string_view, maps::kMaxTableKeys> keys;
  const std::size_t count = split_keys(request, keys);
  return maps::find_first_key(table, request.table, {keys.data(), count}, time(nullptr));
}

}  // namespace

Finding::Finding(const Error& error) {
  response.failed = 1;
  response.fault = error.fault;
  response.errnum = error.errnum;
}

std::string encode_summary(const IndexSummary& summary) {
  return std::string(process::as_bytes(summary));
}

Result<IndexSummary> decode_summary(std::string_view value) {
  IndexSummary summary;
  if (value.size() != sizeof summary) return Error{Fault::protocol, EPROTO, "summary"};
  memcpy(&summary, value.data(), sizeof summary);
  return summary;
}

Finding look_at_home(const Request& request, const ListLimits& limits) {
  const std::int64_t now_ns = control::wall_clock_ns();
  const Result<Fd> home = open_home(request);
  if (!home.ok() && errno_means_absent(home.error().errnum)) return Outcome::absent;
  if (!home.ok()) return home.error();
  struct stat st {};
  if (fstat(home.value().get(), &st) != 0) return errno_error("fstat");

  // Before the listing, so that a change during it shows in the next stamp.
  const control::FileStamp stamp = control::stamp_of(st, now_ns);
  if (control::still_holds(request.have, stamp)) {
    Finding same(Outcome::unchanged);
    same.response.stamp = stamp;
    return same;
  }
  QV_TRY(Fd index, list_home(home.value(), limits));
  // Only the passwd rule needs the owner: users/cdb may assign any directory.
  Finding result = found_with(std::move(index), stamp);
  result.response.uid = st.st_uid;
  return result;
}

Finding look_at_file(const Request& request) {
  const std::int64_t now_ns = control::wall_clock_ns();
  struct stat st {};
  QV_TRY(const Fd file, open_regular(request, st));
  if (!file.valid()) return Outcome::absent;
  Fd contents;
  if (request.want_contents == 1) {
    QV_TRY(contents, copy_contents(file));
  }
  Finding result = found_with(std::move(contents), control::stamp_of(st, now_ns));
  result.response.size = static_cast<std::uint64_t>(st.st_size);
  return result;
}

Finding look_into_table(const Request& request) {
  struct stat st {};
  QV_TRY(Fd file, open_regular(request, st));
  if (!file.valid()) return Outcome::absent;
  QV_TRY(const maps::TableFinding found, find_in_file(request, std::move(file)));
  Finding result(Outcome::found);
  if (found.answer == maps::Answer::found) {
    result.response.key = static_cast<std::uint8_t>(found.key + 1);
    result.response.mailbox = found.mailbox;
  }
  return result;
}

}  // namespace qv::agent
