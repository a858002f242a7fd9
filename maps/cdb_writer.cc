// SPDX-License-Identifier: 0BSD
#include "maps/cdb_writer.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "maps/cdb_file.h"

namespace qv::maps {

namespace {

constexpr std::uint64_t kHeaderSize = 2048;
constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr std::uint64_t kMaxFile = UINT32_MAX;

char* pack(std::uint32_t number, char* out) {
  number = htole32(number);
  memcpy(out, &number, sizeof number);
  return out + sizeof number;
}

std::uint32_t unpack(const char* in) {
  std::uint32_t number = 0;
  memcpy(&number, in, sizeof number);
  return le32toh(number);
}

Result<void> read_at(int fd, char* out, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    const ssize_t n = pread(fd, out, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read cdb");
    if (n == 0) return Error{Fault::retry, EIO, "read cdb"};
    out += n;
    size -= static_cast<std::size_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> write_at(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write cdb");
    bytes = after_bytes(bytes, static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace

CdbWriter::CdbWriter(int fd)
    : fd_(fd), position_(kHeaderSize), buffer_(std::make_unique_for_overwrite<char[]>(kBuffer)) {}

Result<void> CdbWriter::flush() {
  const std::size_t size = std::exchange(filled_, 0);
  return write_at(fd_, {buffer_.get(), size}, position_ - size);
}

// Where `size` more bytes can be put; they then count as written.  REQUIRES: size <= kBuffer.
Result<char*> CdbWriter::room(std::size_t size) {
  if (kBuffer - filled_ < size) QV_TRY_VOID(flush());
  char* out = buffer_.get() + filled_;
  filled_ += size;
  position_ += size;
  return out;
}

Result<void> CdbWriter::put_large(std::string_view bytes) {
  QV_TRY_VOID(flush());
  position_ += bytes.size();
  return write_at(fd_, bytes, position_ - bytes.size());
}

Result<void> CdbWriter::add(std::string_view key, std::string_view value) {
  // What the tables will need counts as well.
  const std::uint64_t tables = 16 * (records_ + 1);
  if (key.size() > kMaxFile || value.size() > kMaxFile ||
      position_ + 8 + key.size() + value.size() + tables > kMaxFile) {
    return Error{Fault::config, EFBIG, "a cdb holds at most 4 GiB"};
  }
  const std::uint32_t hash = CdbFile::hash_of(key);
  buckets_[hash & 255].push_back({hash, static_cast<std::uint32_t>(position_)});
  ++records_;
  const bool large = key.size() + value.size() + 8 > kBuffer;
  QV_TRY(char* out, room(large ? 8 : 8 + key.size() + value.size()));
  out = pack(static_cast<std::uint32_t>(key.size()), out);
  out = pack(static_cast<std::uint32_t>(value.size()), out);
  if (large) {
    QV_TRY_VOID(put_large(key));
    return put_large(value);
  }
  out = std::copy(key.begin(), key.end(), out);
  std::copy(value.begin(), value.end(), out);
  return {};
}

Result<std::string> CdbWriter::read_key(std::uint32_t position) {
  char sizes[8];
  QV_TRY_VOID(read_at(fd_, sizes, sizeof sizes, position));
  std::string key(unpack(sizes), '\0');
  QV_TRY_VOID(read_at(fd_, key.data(), key.size(), std::uint64_t{position} + 8));
  return key;
}

// The slot for an entry: an empty one, or the one that holds the same key.
Result<std::size_t> CdbWriter::find_slot(const std::vector<Entry>& table, const Entry& entry,
                                         Duplicates duplicates) {
  std::size_t slot = (entry.hash >> 8) % table.size();
  for (; table[slot].position != 0; slot = slot + 1 == table.size() ? 0 : slot + 1) {
    if (table[slot].hash != entry.hash || duplicates == Duplicates::keep_all) continue;
    QV_TRY(const std::string here, read_key(table[slot].position));
    QV_TRY(const std::string mine, read_key(entry.position));
    if (here == mine) break;
  }
  return slot;
}

// Puts the entries of a bucket into their slots.  Of two with the same key one is dead.
Result<void> CdbWriter::fill_table(const Bucket& bucket, std::vector<Entry>& table,
                                   Duplicates duplicates, const DuplicateNotice& notice) {
  table.assign(bucket.size() * 2, Entry{0, 0});
  for (const Entry& entry : bucket) {
    QV_TRY(const std::size_t slot, find_slot(table, entry, duplicates));
    if (table[slot].position == 0) {
      table[slot] = entry;
      continue;
    }
    QV_TRY(const std::string key, read_key(entry.position));
    notice(key);
    const bool last = duplicates == Duplicates::keep_last;
    dead_.push_back(last ? table[slot].position : entry.position);
    if (last) table[slot] = entry;
  }
  return {};
}

// Writes the table of each bucket, one behind the other.  After the first dead record nothing more
// is written: finish() will write them again.
Result<void> CdbWriter::write_tables(Duplicates duplicates, const DuplicateNotice& notice) {
  std::vector<Entry> table;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    QV_TRY_VOID(fill_table(buckets_[b], table, duplicates, notice));
    header_[b] = {static_cast<std::uint32_t>(position_), static_cast<std::uint32_t>(table.size())};
    if (!dead_.empty()) continue;
    for (std::size_t i = 0; i < table.size();) {
      const std::size_t end = std::min(table.size(), i + kBuffer / 8);
      QV_TRY(char* out, room(8 * (end - i)));
      for (; i < end; ++i) out = pack(table[i].position, pack(table[i].hash, out));
    }
  }
  return flush();
}

// Writes the records that are left once more, each where it is or further to the front: what is
// written has been read.
Result<void> CdbWriter::remove_dead() {
  std::sort(dead_.begin(), dead_.end());
  auto dead = dead_.begin();
  const std::uint64_t end = std::exchange(position_, kHeaderSize);
  buckets_ = {};
  records_ = 0;
  std::string record;
  for (std::uint64_t at = kHeaderSize; at < end; at += 8 + record.size()) {
    char sizes[8];
    QV_TRY_VOID(read_at(fd_, sizes, sizeof sizes, at));
    const std::uint32_t key_size = unpack(sizes);
    record.resize(std::size_t{key_size} + unpack(sizes + 4));
    if (dead != dead_.end() && *dead == at) {
      ++dead;
      continue;
    }
    QV_TRY_VOID(read_at(fd_, record.data(), record.size(), at + 8));
    const std::string_view both = record;
    QV_TRY_VOID(add(first_bytes(both, key_size), after_bytes(both, key_size)));
  }
  dead_.clear();
  return flush();
}

Result<void> CdbWriter::write_header() {
  std::array<char, kHeaderSize> header{};
  char* out = header.data();
  for (const auto& [position, slots] : header_) out = pack(slots, pack(position, out));
  return write_at(fd_, {header.data(), header.size()}, 0);
}

Result<void> CdbWriter::finish(Duplicates duplicates, const DuplicateNotice& notice) {
  QV_TRY_VOID(flush());
  const std::uint64_t end_of_records = position_;
  QV_TRY_VOID(write_tables(duplicates, notice));
  if (!dead_.empty()) {
    position_ = end_of_records;
    QV_TRY_VOID(remove_dead());
    // No key is there twice any more.
    QV_TRY_VOID(write_tables(Duplicates::keep_all, notice));
    if (ftruncate(fd_, static_cast<off_t>(position_)) != 0) return errno_error("truncate cdb");
  }
  return write_header();
}

}  // namespace qv::maps
