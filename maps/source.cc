// SPDX-License-Identifier: 0BSD
#include "maps/source.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/fault.h"
#include "core/file.h"

namespace qv {

namespace {

// File systems stamp with the clock of the last timer tick or, at worst, in whole seconds.
constexpr std::int64_t kRecentNs = 1'100'000'000;

std::int64_t to_ns(const timespec& t) {
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Result<SourceStamp> stamp_file(int fd, std::string path) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return errno_error("fstat");
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  SourceStamp stamp;
  stamp.path = std::move(path);
  stamp.device = st.st_dev;
  stamp.inode = st.st_ino;
  stamp.size = st.st_size;
  stamp.modified_ns = to_ns(st.st_mtim);
  stamp.changed_ns = to_ns(st.st_ctim);
  stamp.recent = to_ns(now) - stamp.changed_ns < kRecentNs;
  return stamp;
}

SourceState compare_source(const SourceStamp& stamp) {
  struct stat st {};
  if (stat(stamp.path.c_str(), &st) != 0) return SourceState::unreadable;
  const bool same_file = st.st_dev == stamp.device && st.st_ino == stamp.inode;
  if (stamp.identity_only) return same_file ? SourceState::same : SourceState::changed;
  const bool same = same_file && st.st_size == stamp.size &&
                    to_ns(st.st_mtim) == stamp.modified_ns && to_ns(st.st_ctim) == stamp.changed_ns;
  return same ? SourceState::same : SourceState::changed;
}

bool is_written_over(const SourceStamp& stamp) {
  struct stat st {};
  if (stat(stamp.path.c_str(), &st) != 0) return false;
  const bool same_file = st.st_dev == stamp.device && st.st_ino == stamp.inode;
  return same_file && (st.st_size != stamp.size || to_ns(st.st_mtim) != stamp.modified_ns);
}

std::string describe_error(const Error& error, std::string_view path) {
  std::string out(error.what);
  if (!path.empty()) {
    out += ' ';
    out += path;
  }
  if (error.errnum != 0) {
    out += ": ";
    out += strerrordesc_np(error.errnum);
  }
  return out;
}

Result<std::string> read_source(const std::string& path, SourceStamp& stamp, std::string& detail) {
  const auto fail = [&](const Error& error) {
    detail = describe_error(error, path);
    return error;
  };
  Result<Fd> file = open_read(path.c_str());
  if (!file.ok()) return fail(file.error());
  const int fd = file.value().get();
  struct stat st {};
  if (fstat(fd, &st) != 0) return fail(errno_error("fstat"));
  if (!S_ISREG(st.st_mode)) return fail(Error{Fault::config, 0, "not a regular file:"});
  if (static_cast<std::uint64_t>(st.st_size) > kMaxTextSource) {
    return fail(Error{Fault::config, EFBIG, "read"});
  }
  Result<SourceStamp> stamped = stamp_file(fd, path);
  if (!stamped.ok()) return fail(stamped.error());
  stamp = std::move(stamped).value();
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  Result<std::size_t> got = read_full(fd, text.data(), text.size());
  if (!got.ok()) return fail(got.error());
  text.resize(got.value());
  return text;
}

std::string warn_if_exposed(const SourceStamp& stamp) {
  struct stat st {};
  if (stat(stamp.path.c_str(), &st) != 0 || (st.st_mode & S_IROTH) == 0) return {};
  return stamp.path + ": holds a password and everybody may read it: chmod o-r";
}

}  // namespace qv
