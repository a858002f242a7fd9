// SPDX-License-Identifier: 0BSD
#include "maps/cdb_file.h"

#include <cdb.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "core/check.h"
#include "core/fault.h"
#include "core/file.h"

namespace qv::maps {

namespace {

constexpr std::uint32_t kHeaderSize = 2048;  // 256 pairs of position and number of slots

std::uint32_t load(const unsigned char* at) {
  return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
         static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

Error damaged() { return {Fault::retry, EPROTO, "not a whole cdb"}; }

// As every builder writes them, the hash tables fill the file from the end of the records to its
// last byte.
bool tables_fill_the_file(const struct cdb& c) {
  std::uint64_t end = kHeaderSize;
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned char* pointer = c.cdb_mem + std::size_t{8} * i;
    const std::uint64_t position = cdb_unpack(pointer);
    const std::uint64_t length = std::uint64_t{8} * cdb_unpack(pointer + 4);
    if (position < kHeaderSize || position + length > c.cdb_fsize) return false;
    if (position + length > end) end = position + length;
  }
  return end == c.cdb_fsize;
}

}  // namespace

struct CdbFile::Mapping {
  struct cdb c {};
  volatile sig_atomic_t torn = 0;

  // Those of this process, in which the SIGBUS handler finds the one it was in.  It is changed only
  // outside look-ups, and the signal comes only from inside one: they never meet.  Never destroyed,
  // as a mapping may be static.
  static std::vector<Mapping*>& all() {
    static auto* const mappings = new std::vector<Mapping*>;
    return *mappings;
  }
};

void CdbFile::Unmap::operator()(Mapping* mapping) const {
  std::erase(Mapping::all(), mapping);
  cdb_free(&mapping->c);
  delete mapping;
}

void CdbFile::on_sigbus(int signal_number, void* address) {
  const auto* at = static_cast<const unsigned char*>(address);
  for (Mapping* mapping : Mapping::all()) {
    const unsigned char* begin = mapping->c.cdb_mem;
    if (at < begin || at >= begin + mapping->c.cdb_fsize) continue;
    // Zeros in place of the lost page let the look-up end; it then sees `torn`.
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    void* start = static_cast<char*>(address) - (reinterpret_cast<std::uintptr_t>(address) % page);
    if (mmap(start, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != start)
      break;
    mapping->torn = 1;
    return;
  }
  // Not in a table: the repeated access has the default action.
  signal(signal_number, SIG_DFL);
}

void guard_against_truncation() {
  static_cast<void>(CdbFile::Mapping::all());  // the handler must not be the one to make it
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = [](int signal_number, siginfo_t* info, void* /*context*/) {
    const int saved = errno;
    CdbFile::on_sigbus(signal_number, info->si_addr);
    errno = saved;
  };
  sigemptyset(&action.sa_mask);
  QV_CHECK(sigaction(SIGBUS, &action, nullptr) == 0);
}

Result<CdbFile> CdbFile::open(const char* path) {
  QV_TRY(Fd file, open_read(path));
  return map(std::move(file));
}

Result<CdbFile> CdbFile::map(Fd file) {
  struct stat st {};
  if (fstat(file.get(), &st) != 0) return errno_error("fstat");
  if (!S_ISREG(st.st_mode)) return Error{Fault::config, EINVAL, "not a regular file"};
  if (st.st_size < kHeaderSize || st.st_size > UINT32_MAX) return damaged();

  std::unique_ptr<Mapping, Unmap> mapping(new Mapping);
  if (cdb_init(&mapping->c, file.get()) != 0) return errno_error("map cdb");
  mapping->c.cdb_fd = -1;  // the mapping lives without it
  Mapping::all().push_back(mapping.get());
  if (!tables_fill_the_file(mapping->c) || mapping->torn != 0) return damaged();
  return CdbFile(std::move(mapping));
}

std::uint32_t CdbFile::hash_of(std::string_view key) {
  std::uint32_t hash = kHashOfNothing;
  for (const char c : key) hash = hash_on(hash, c);
  return hash;
}

Result<CdbFile::Table> CdbFile::table_of(std::uint32_t hash) const {
  const struct cdb& c = mapping_->c;
  const unsigned char* pointer = c.cdb_mem + std::size_t{8} * (hash & 255);
  const std::uint64_t position = load(pointer);
  const std::uint32_t count = load(pointer + 4);
  // Checked when it was mapped; but the file may have been written to since, and a cut page reads
  // as zeros behind the cut.
  if (position < kHeaderSize || position + std::uint64_t{8} * count > c.cdb_fsize) return damaged();
  return Table{c.cdb_mem + position, count};
}

Result<Answer> CdbFile::find(std::string_view key, std::string_view& value) const {
  return find(key, hash_of(key), value);
}

Result<Answer> CdbFile::find(std::string_view key, std::uint32_t hash,
                             std::string_view& value) const {
  const struct cdb& c = mapping_->c;
  QV_TRY(const Table table, table_of(hash));
  std::uint32_t at = table.count == 0 ? 0 : (hash >> 8) % table.count;
  for (std::uint32_t tried = 0; tried < table.count; ++tried) {
    const unsigned char* slot = table.slots + std::size_t{8} * at;
    at = at + 1 == table.count ? 0 : at + 1;
    const std::uint64_t position = load(slot + 4);
    if (position == 0) break;
    if (load(slot) != hash) continue;
    if (position + 8 > c.cdb_fsize) return damaged();
    const unsigned char* record = c.cdb_mem + position;
    const std::uint64_t key_size = load(record);
    const std::uint64_t value_size = load(record + 4);
    if (position + 8 + key_size + value_size > c.cdb_fsize) return damaged();
    const auto* bytes = reinterpret_cast<const char*>(record + 8);
    if (std::string_view(bytes, key_size) != key) continue;
    if (mapping_->torn != 0) return damaged();
    value = {bytes + key_size, value_size};
    return Answer::found;
  }
  if (mapping_->torn != 0) return damaged();
  return Answer::absent;
}

Result<void> CdbFile::still_whole() const {
  // A file that is cut short loses its last page first.
  static_cast<void>(
      *static_cast<const volatile unsigned char*>(mapping_->c.cdb_mem + mapping_->c.cdb_fsize - 1));
  if (mapping_->torn != 0) return damaged();
  return {};
}

Result<Answer> CdbFile::may_hold(std::uint32_t hash) const {
  QV_TRY(const Table table, table_of(hash));
  std::uint32_t at = table.count == 0 ? 0 : (hash >> 8) % table.count;
  for (std::uint32_t tried = 0; tried < table.count; ++tried) {
    const unsigned char* slot = table.slots + std::size_t{8} * at;
    if (load(slot + 4) == 0) break;
    if (load(slot) == hash) return Answer::found;
    at = at + 1 == table.count ? 0 : at + 1;
  }
  if (mapping_->torn != 0) return damaged();
  return Answer::absent;
}

void CdbFile::prefetch(std::uint32_t hash, Ahead what) const {
  const Result<Table> found = table_of(hash);
  if (!found.ok() || found.value().count == 0) return;
  const Table& table = found.value();
  const unsigned char* slot = table.slots + std::size_t{8} * ((hash >> 8) % table.count);
  if (what == Ahead::slot) return __builtin_prefetch(slot);
  const std::uint32_t record = load(slot + 4);
  if (record < mapping_->c.cdb_fsize) __builtin_prefetch(mapping_->c.cdb_mem + record);
}

Result<Answer> CdbFile::next(std::uint32_t& position, std::string_view& key,
                             std::string_view& value) const {
  struct cdb& c = mapping_->c;
  if (position == 0) cdb_seqinit(&position, &c);
  const int found = cdb_seqnext(&position, &c);
  if (found < 0 || mapping_->torn != 0) return damaged();
  if (found == 0) return Answer::absent;
  const void* key_bytes = cdb_getkey(&c);
  const void* value_bytes = cdb_getdata(&c);
  if (key_bytes == nullptr || value_bytes == nullptr) return damaged();
  key = {static_cast<const char*>(key_bytes), cdb_keylen(&c)};
  value = {static_cast<const char*>(value_bytes), cdb_datalen(&c)};
  return Answer::found;
}

std::uint64_t CdbFile::size() const { return mapping_->c.cdb_fsize; }

}  // namespace qv::maps
