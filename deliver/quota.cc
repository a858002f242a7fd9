// SPDX-License-Identifier: 0BSD
#include "deliver/quota.h"

#include <fcntl.h>

#include <charconv>

#include "core/fault.h"
#include "core/fd.h"
#include "core/text.h"

namespace qv::deliver {

namespace {

constexpr std::size_t kMaxMaildirsize = 5120;  // bytes; a file that long is replaced
constexpr time_t kFreshSeconds = 15 * 60;
constexpr std::size_t kLineWidth = 13;  // Courier's padding: 14 with the newline

// Adds a number, which is negative for a removal.  False where the word is no such number, or the
// sum too large.
bool add_signed(std::string_view word, std::int64_t& sum) {
  std::int64_t number = 0;
  const char* const end = word.data() + word.size();
  const std::from_chars_result read = std::from_chars(word.data(), end, number);
  return read.ec == std::errc() && read.ptr == end && !__builtin_add_overflow(sum, number, &sum);
}

std::string usage_line(std::uint64_t bytes, std::uint64_t messages) {
  std::string line = std::to_string(bytes) + " " + std::to_string(messages);
  if (line.size() < kLineWidth) line.insert(0, kLineWidth - line.size(), ' ');
  return line + "\n";
}

// The size that is part of a message's name ("...,S=1234:2,S"); false where there is none.
bool size_from_name(std::string_view name, std::uint64_t& size) {
  const std::size_t at = name.find(",S=");
  if (at == std::string_view::npos) return false;
  const std::string_view rest = after_bytes(name, at + 3);
  return parse_decimal(first_bytes(rest, rest.find_first_of(":,")), INT64_MAX, size);
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
    std::string_view line = trim_blanks(take_until(text, '\n'));
    if (!add_signed(take_until(line, ' '), bytes)) return std::nullopt;
    if (!add_signed(trim_blanks(line), messages)) return std::nullopt;
  }
  if (size.lines == 0 || bytes < 0 || messages < 0) return std::nullopt;
  size.usage = {static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(messages)};
  return size;
}

std::string maildirsize_text(const Quota& quota, const MaildirUsage& usage) {
  return quota_line(quota) + "\n" + usage_line(usage.bytes, usage.messages);
}

bool MaildirQuota::exceeds(const MaildirUsage& usage, std::uint64_t size) const {
  return !within(quota_.bytes, usage.bytes, size) || !within(quota_.messages, usage.messages, 1);
}

Result<Room> MaildirQuota::admits(std::uint64_t size) {
  MaildirUsage usage;
  const Known known = read_usage(usage);
  if (known != Known::no && !exceeds(usage, size)) return Room::fits;
  if (known == Known::fresh) return Room::full;
  QV_TRY(const MaildirUsage counted, count());
  write_usage(counted);
  return exceeds(counted, size) ? Room::full : Room::fits;
}

MaildirQuota::Known MaildirQuota::read_usage(MaildirUsage& usage) {
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

Result<MaildirUsage> MaildirQuota::count() {
  MaildirUsage usage;
  QV_TRY_VOID(find_directories());
  counted_at_ = latest_change();
  for (const std::string& directory : directories_) QV_TRY_VOID(count_directory(directory, usage));
  return usage;
}

Result<void> MaildirQuota::count_directory(const std::string& path, MaildirUsage& usage) {
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
      // A reader may have moved or removed it meanwhile.
      if (files_.lstat(path + name, st) != 0) continue;
      size = static_cast<std::uint64_t>(st.st_size);
    }
    // The sum must not wrap around to a small one.
    if (__builtin_add_overflow(usage.bytes, size, &usage.bytes)) usage.bytes = UINT64_MAX;
    ++usage.messages;
  }
  return {};
}

// Writes a new file and renames it; removes it again where a directory has changed since it was
// counted, as the description asks, because the sum may then be wrong.
void MaildirQuota::write_usage(const MaildirUsage& usage) {
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

}  // namespace qv::deliver
