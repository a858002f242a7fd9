// SPDX-License-Identifier: 0BSD
#include "deliver/retries.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "core/fd.h"
#include "core/sha256.h"
#include "core/text.h"

namespace qv::deliver {

namespace {

constexpr time_t kMaxAge = 8 * 86400;  // seconds; qmail gives up after seven days
constexpr std::size_t kPiece = 65536;
constexpr std::size_t kMaxFile = 16 << 20;

// Only this account can have made the directory, and only it can write to it.
bool is_private(Files& files, const std::string& directory) {
  struct stat st {};
  if (files.lstat(directory, st) != 0 || !S_ISDIR(st.st_mode)) return false;
  return st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

// Calls `act` with each piece of a file from `start` on; false where it cannot be read.
template <class Act>
bool read_all(Files& files, int fd, off_t start, Act act) {
  for (auto at = static_cast<std::uint64_t>(start);; at += kPiece) {
    const Result<std::string> piece = files.read_at(fd, kPiece, at, "read");
    if (!piece.ok()) return false;
    act(std::string_view(piece.value()));
    if (piece.value().size() < kPiece) return true;
  }
}

}  // namespace

Retries::Retries(Files& files, const std::string& spool_directory, std::string_view sender,
                 const MessageSource& message)
    : files_(files), directory_(spool_directory + "/qmail-virtual." + std::to_string(geteuid())) {
  files_.mkdir(directory_);
  if (!is_private(files_, directory_)) return;
  Sha256 hash;
  hash.add(sender);
  hash.add(std::string_view("\0", 1));
  if (!read_all(files_, message.fd, message.start,
                [&hash](std::string_view piece) { hash.add(piece); })) {
    return;
  }
  const auto hex = hash.hex();
  path_ = directory_ + "/" + std::string(hex.data(), hex.size());
  load();
}

void Retries::load() {
  const Fd file(files_.open(path_, O_RDONLY | O_NOFOLLOW));
  if (!file.valid()) {
    remove_old();
    return;
  }
  std::string text;
  const bool whole = read_all(files_, file.get(), 0, [&text](std::string_view piece) {
    if (text.size() < kMaxFile) text += piece;
  });
  if (!whole) return;
  // "length:recipient": the length exposes an incomplete line.
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = take_until(rest, '\n');
    std::uint64_t size = 0;
    const bool is_sized = parse_decimal(take_until(line, ':'), kMaxFile, size);
    if (is_sized && size == line.size() && size > 0) recipients_.emplace(line);
  }
}

bool Retries::has(std::string_view recipient) const {
  return recipients_.find(recipient) != recipients_.end();
}

void Retries::add(std::string_view recipient) {
  if (path_.empty() || !is_clean(recipient) || recipient.empty()) return;
  const Fd file(files_.open(path_, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW));
  if (!file.valid()) return;
  // The newline in front ends an incomplete line.
  const std::string line =
      "\n" + std::to_string(recipient.size()) + ":" + std::string(recipient) + "\n";
  static_cast<void>(
      retry_eintr([&] { return files_.write(file.get(), line.data(), line.size()); }));
}

void Retries::clear() {
  if (!path_.empty()) files_.unlink(path_);
}

void Retries::remove_old() {
  std::vector<std::string> names;
  if (files_.list(directory_, names) != 0) return;
  for (const std::string& name : names) {
    const std::string path = directory_ + "/" + name;
    struct stat st {};
    if (files_.lstat(path, st) != 0) continue;
    if (files_.now().tv_sec - st.st_mtime > kMaxAge) files_.unlink(path);
  }
}

}  // namespace qv::deliver
