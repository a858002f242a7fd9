// SPDX-License-Identifier: 0BSD
#include "deliver/quota.h"

#include <fcntl.h>

#include <algorithm>

#include "core/fault.h"
#include "core/fd.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr std::size_t kMaxMaildirsize = 5120;  // bytes; from there on it is made afresh
constexpr time_t kFreshSeconds = 15 * 60;
constexpr std::size_t kLineWidth = 13;  // Courier's padding: 14 with the newline

// One line "bytes messages": each may be negative (a removal).  False where it is not that.
bool parse_signed(std::string_view word, std::int64_t& out) {
  const bool negative = starts_with(word, "-");
  std::uint64_t value = 0;
  if (!parse_decimal(after_bytes(word, negative ? 1 : 0), INT64_MAX, value)) return false;
  out = negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
  return true;
}

bool parse_usage_line(std::string_view line, std::int64_t& bytes, std::int64_t& messages) {
  line = trim_blanks(line);
  const std::string_view first = take_until(line, ' ');
  return parse_signed(first, bytes) && parse_signed(trim_blanks(line), messages);
}

std::string usage_line(std::uint64_t bytes, std::uint64_t messages) {
  std::string line = std::to_string(bytes) + " " + std::to_string(messages);
  if (line.size() < kLineWidth) line.insert(0, kLineWidth - line.size(), ' ');
  return line + "\n";
}

// The size that the name of a message tells ("...,S=1234:2,S"); false where it tells none.
bool size_from_name(std::string_view name, std::uint64_t& size) {
  std::size_t at = name.find(",S=");
  if (at == std::string_view::npos) return false;
  const std::string_view rest = after_bytes(name, at + 3);
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  if (digits < rest.size() && rest[digits] != ':' && rest[digits] != ',') return false;
  return parse_decimal(first_bytes(rest, digits), INT64_MAX, size);
}

bool is_trashed(std::string_view name) {
  const std::size_t at = name.rfind(":2,");
  return at != std::string_view::npos && name.find('T', at + 3) != std::string_view::npos;
}

bool is_later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

bool within(std::uint64_t limit, std::uint64_t used, std::uint64_t more) {
  return limit == 0 || (used <= limit && more <= limit - used);
}

}  // namespace

bool parse_quota(std::string_view text, Quota& quota) {
  Quota parsed;
  text = trim_blanks(text);
  if (parse_decimal(text, INT64_MAX, parsed.bytes)) {
    quota = parsed;
    return true;
  }
  if (text.empty()) return false;
  while (!text.empty()) {
    std::string_view part = take_until(text, ',');
    std::uint64_t value = 0;
    if (part.size() < 2 || is_digit(part.back())) return false;
    if (!parse_decimal(first_bytes(part, part.size() - 1), INT64_MAX, value)) return false;
    if (part.back() == 'S') parsed.bytes = value;
    if (part.back() == 'C') parsed.messages = value;
  }
  quota = parsed;
  return true;
}

std::string quota_line(const Quota& quota) {
  std::string line;
  if (quota.bytes != 0) line = std::to_string(quota.bytes) + "S";
  if (quota.messages != 0) {
    line += (line.empty() ? "" : ",") + std::to_string(quota.messages) + "C";
  }
  return line;
}

std::optional<MaildirSize> parse_maildirsize(std::string_view text) {
  text = first_bytes(text, text.empty() ? 0 : find_last_byte(text, '\n') + 1);
  if (text.empty() || text.back() != '\n') return std::nullopt;
  MaildirSize size;
  if (!parse_quota(take_until(text, '\n'), size.quota)) return std::nullopt;
  std::int64_t bytes = 0;
  std::int64_t messages = 0;
  for (; !text.empty(); ++size.lines) {
    std::int64_t more_bytes = 0;
    std::int64_t more_messages = 0;
    if (!parse_usage_line(take_until(text, '\n'), more_bytes, more_messages)) return std::nullopt;
    if (__builtin_add_overflow(bytes, more_bytes, &bytes)) return std::nullopt;
    if (__builtin_add_overflow(messages, more_messages, &messages)) return std::nullopt;
  }
  if (size.lines == 0 || bytes < 0 || messages < 0) return std::nullopt;
  size.usage = {static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(messages)};
  return size;
}

std::string maildirsize_text(const Quota& quota, const MaildirUsage& usage) {
  return quota_line(quota) + "\n" + usage_line(usage.bytes, usage.messages);
}

bool MaildirQuota::exceeds(const Usage& usage, std::uint64_t size) const {
  return !within(quota_.bytes, usage.bytes, size) || !within(quota_.messages, usage.messages, 1);
}

Result<Room> MaildirQuota::admits(std::uint64_t size) {
  Usage usage;
  const Known known = read_usage(usage);
  if (known != Known::no && !exceeds(usage, size)) return Room::fits;
  if (known == Known::fresh) return Room::full;
  QV_TRY(const Usage counted, count());
  write_usage(counted);
  return exceeds(counted, size) ? Room::full : Room::fits;
}

MaildirQuota::Known MaildirQuota::read_usage(Usage& usage) {
  const Result<Fd> file = files_.open_file(root_ + "maildirsize",
                                           O_RDONLY | O_NONBLOCK | O_NOFOLLOW, "open maildirsize");
  struct stat st {};
  if (!file.ok() || files_.fstat(file.value().get(), st) != 0) return Known::no;
  if (!S_ISREG(st.st_mode)) return Known::no;
  const Result<std::string> text =
      files_.read_at(file.value().get(), kMaxMaildirsize, 0, "read maildirsize");
  if (!text.ok() || text.value().size() == kMaxMaildirsize) return Known::no;
  const std::optional<MaildirSize> read = parse_maildirsize(text.value());
  if (!read || read->quota != quota_) return Known::no;
  usage = read->usage;
  const bool recent = files_.now().tv_sec - st.st_mtime < kFreshSeconds;
  return read->lines == 1 && recent ? Known::fresh : Known::stale;
}

Result<void> MaildirQuota::find_directories() {
  directories_ = {root_ + "new/", root_ + "cur/"};
  std::vector<std::string> names;
  if (files_.list(root_, names) != 0) {
    if (errno_means_absent(errno)) return {};
    return errno_error("list the maildir");
  }
  for (const std::string& name : names) {
    if (name.front() != '.' || name == ".Trash") continue;
    directories_.push_back(root_ + name + "/new/");
    directories_.push_back(root_ + name + "/cur/");
  }
  return {};
}

timespec MaildirQuota::latest_change() {
  timespec latest{};
  for (const std::string& directory : directories_) {
    struct stat st {};
    if (files_.lstat(directory, st) == 0 && is_later(st.st_mtim, latest)) {
      latest = st.st_mtim;
    }
  }
  return latest;
}

Result<MaildirQuota::Usage> MaildirQuota::count() {
  Usage usage;
  QV_TRY_VOID(find_directories());
  counted_at_ = latest_change();
  for (const std::string& directory : directories_) QV_TRY_VOID(count_directory(directory, usage));
  return usage;
}

Result<void> MaildirQuota::count_directory(const std::string& path, Usage& usage) {
  const bool has_flags = ends_with(path, "/cur/");
  std::vector<std::string> names;
  if (files_.list(path, names) != 0) {
    if (errno_means_absent(errno)) return {};
    return errno_error("list a folder");
  }
  for (const std::string& name : names) {
    if (name.front() == '.' || (has_flags && is_trashed(name))) continue;
    std::uint64_t size = 0;
    if (!size_from_name(name, size)) {
      struct stat st {};
      // A message that is gone meanwhile was moved or removed by a reader.
      if (files_.lstat(path + name, st) != 0) continue;
      size = static_cast<std::uint64_t>(st.st_size);
    }
    // What no disk holds would turn round, and say that there is room.
    if (__builtin_add_overflow(usage.bytes, size, &usage.bytes)) usage.bytes = UINT64_MAX;
    ++usage.messages;
  }
  return {};
}

// Written aside and renamed; removed again where a directory has changed since it was counted, as
// the description asks, because the sum may then be wrong.
void MaildirQuota::write_usage(const Usage& usage) {
  const std::string aside = root_ + "tmp/maildirsize." + files_.unique_name();
  const std::string path = root_ + "maildirsize";
  const std::string text = maildirsize_text(quota_, usage);
  const Fd file(files_.open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW));
  if (!file.valid()) return;
  if (!files_.write_all(file.get(), text, "write").ok() || files_.rename(aside, path) != 0) {
    files_.unlink(aside);
    return;
  }
  if (is_later(latest_change(), counted_at_)) files_.unlink(path);
}

void MaildirQuota::add(std::uint64_t size) {
  const std::string path = root_ + "maildirsize";
  const Fd file(files_.open(path, O_WRONLY | O_APPEND | O_NOFOLLOW));
  if (!file.valid()) return;
  const std::string line = usage_line(size, 1);
  const ssize_t n = retry_eintr([&] { return files_.write(file.get(), line.data(), line.size()); });
  if (n != static_cast<ssize_t>(line.size())) files_.unlink(path);
}

}  // namespace qv
