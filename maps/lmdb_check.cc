// SPDX-License-Identifier: 0BSD
#include "maps/lmdb_check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/fault.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr std::size_t kPageHeader = 16;
constexpr std::size_t kNodeHeader = 8;
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint64_t kNoPage = UINT64_MAX;
constexpr int kMaxDepth = 32;

// Kinds of pages, and of nodes in a leaf.
constexpr unsigned kBranch = 0x01;
constexpr unsigned kLeaf = 0x02;
constexpr unsigned kOverflow = 0x04;
constexpr unsigned kKindMask = 0x6f;
constexpr unsigned kBigData = 0x01;

struct Tree {
  std::uint64_t depth = 0;
  std::uint64_t entries = 0;
  std::uint64_t root = kNoPage;
};

struct Meta {
  std::size_t page_size = 0;
  Tree main;
  std::uint64_t last_page = 0;
  std::uint64_t transaction = 0;
};

Error damaged(const char* what) { return {Fault::retry, EPROTO, what}; }

template <class T>
T load(std::string_view page, std::size_t at) {
  T out;
  memcpy(&out, page.data() + at, sizeof out);
  return out;
}

Result<void> read_bytes(int fd, std::uint64_t offset, std::string& out) {
  std::size_t got = 0;
  while (got < out.size()) {
    const ssize_t n =
        pread(fd, out.data() + got, out.size() - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read LMDB file");
    if (n == 0) return damaged("truncated LMDB file");
    got += static_cast<std::size_t>(n);
  }
  return {};
}

// The meta page at `offset`; page_size 0 where it is none.
Result<Meta> read_meta(int fd, std::uint64_t offset) {
  std::string page(kPageHeader + 136, '\0');
  QV_TRY_VOID(read_bytes(fd, offset, page));
  const std::string_view body = after_bytes(page, kPageHeader);
  Meta meta;
  if (load<std::uint32_t>(body, 0) != kMagic || load<std::uint32_t>(body, 4) != 1) return meta;
  // Behind magic, version, address and size of the map: the two trees, 48 bytes each.
  constexpr std::size_t kTrees = 24;
  meta.page_size = load<std::uint32_t>(body, kTrees);
  meta.main.depth = load<std::uint16_t>(body, kTrees + 48 + 6);
  meta.main.entries = load<std::uint64_t>(body, kTrees + 48 + 32);
  meta.main.root = load<std::uint64_t>(body, kTrees + 48 + 40);
  meta.last_page = load<std::uint64_t>(body, kTrees + 96);
  meta.transaction = load<std::uint64_t>(body, kTrees + 104);
  return meta;
}

bool is_page_size(std::size_t n) { return n >= 512 && n <= 65536 && (n & (n - 1)) == 0; }

class Checker {
 public:
  Checker(int fd, const Meta& meta) : fd_(fd), meta_(meta) {}

  Result<void> run() {
    if (meta_.main.root == kNoPage) {
      return meta_.main.entries == 0 ? Result<void>() : damaged("damaged LMDB root");
    }
    QV_TRY_VOID(visit(meta_.main.root, 1));
    if (entries_ != meta_.main.entries) return damaged("LMDB entries missing");
    return {};
  }

 private:
  Result<void> visit(std::uint64_t number, int depth) {
    if (depth > kMaxDepth || static_cast<std::uint64_t>(depth) > meta_.main.depth) {
      return damaged("LMDB tree too deep");
    }
    if (++visited_ > meta_.last_page + 1) return damaged("LMDB tree has a loop");
    std::string page;
    QV_TRY_VOID(read_page(number, page));
    const unsigned kind = load<std::uint16_t>(page, 10) & kKindMask;
    const std::size_t lower = load<std::uint16_t>(page, 12);
    const std::size_t upper = load<std::uint16_t>(page, 14);
    if (lower < kPageHeader || lower > upper || upper > meta_.page_size || lower % 2 != 0) {
      return damaged("damaged LMDB page");
    }
    const std::size_t count = (lower - kPageHeader) / 2;
    if (kind == kBranch && static_cast<std::uint64_t>(depth) < meta_.main.depth) {
      return visit_children(page, count, upper, depth);
    }
    if (kind != kLeaf || static_cast<std::uint64_t>(depth) != meta_.main.depth) {
      return damaged("LMDB page of a wrong kind");
    }
    return check_leaf(page, count, upper);
  }

  Result<void> read_page(std::uint64_t number, std::string& page) {
    if (number < 2 || number > meta_.last_page) return damaged("LMDB page number out of range");
    page.resize(meta_.page_size);
    QV_TRY_VOID(read_bytes(fd_, number * meta_.page_size, page));
    if (load<std::uint64_t>(page, 0) != number) return damaged("LMDB page out of place");
    return {};
  }

  // The place of a node; 0 where it is not in the page.
  std::size_t node_at(const std::string& page, std::size_t index, std::size_t upper,
                      std::string_view& key) const {
    const std::size_t at = load<std::uint16_t>(page, kPageHeader + 2 * index);
    if (at < upper || at + kNodeHeader > meta_.page_size) return 0;
    const std::size_t key_size = load<std::uint16_t>(page, at + 6);
    if (at + kNodeHeader + key_size > meta_.page_size) return 0;
    key = std::string_view(page).substr(at + kNodeHeader, key_size);
    return at;
  }

  Result<void> visit_children(const std::string& page, std::size_t count, std::size_t upper,
                              int depth) {
    if (count < 2) return damaged("damaged LMDB branch");
    std::string_view previous;
    for (std::size_t i = 0; i < count; ++i) {
      std::string_view key;
      const std::size_t at = node_at(page, i, upper, key);
      // The first key of a branch counts for nothing, and may be empty.
      if (at == 0 || (i > 1 && key <= previous)) return damaged("damaged LMDB branch");
      if (i > 0) previous = key;
      const std::uint64_t child = load<std::uint16_t>(page, at) |
                                  std::uint64_t{load<std::uint16_t>(page, at + 2)} << 16 |
                                  std::uint64_t{load<std::uint16_t>(page, at + 4)} << 32;
      QV_TRY_VOID(visit(child, depth + 1));
    }
    return {};
  }

  Result<void> check_leaf(const std::string& page, std::size_t count, std::size_t upper) {
    std::string_view previous;
    for (std::size_t i = 0; i < count; ++i) {
      std::string_view key;
      const std::size_t at = node_at(page, i, upper, key);
      if (at == 0 || (i > 0 && key <= previous) || key.empty()) return damaged("damaged LMDB leaf");
      previous = key;
      const std::uint64_t size =
          load<std::uint16_t>(page, at) | std::uint64_t{load<std::uint16_t>(page, at + 2)} << 16;
      const unsigned flags = load<std::uint16_t>(page, at + 4);
      const std::size_t value_at = at + kNodeHeader + key.size();
      if (flags == kBigData) {
        if (value_at + 8 > meta_.page_size) return damaged("damaged LMDB leaf");
        QV_TRY_VOID(check_overflow(load<std::uint64_t>(page, value_at), size));
      } else if (flags != 0 || value_at + size > meta_.page_size) {
        return damaged("damaged LMDB leaf");
      }
    }
    // Leaves are read in the order of their keys.
    if (count > 0) {
      std::string_view first;
      static_cast<void>(node_at(page, 0, upper, first));
      if (entries_ > 0 && first <= last_key_) return damaged("LMDB leaves out of order");
      last_key_ = previous;
    }
    entries_ += count;
    return {};
  }

  Result<void> check_overflow(std::uint64_t number, std::uint64_t size) {
    if (number < 2 || number > meta_.last_page) return damaged("LMDB page number out of range");
    std::string header(kPageHeader, '\0');
    QV_TRY_VOID(read_bytes(fd_, number * meta_.page_size, header));
    const std::uint64_t pages = load<std::uint32_t>(header, 12);
    const std::uint64_t needed = (kPageHeader + size + meta_.page_size - 1) / meta_.page_size;
    const bool good = load<std::uint64_t>(header, 0) == number &&
                      (load<std::uint16_t>(header, 10) & kKindMask) == kOverflow &&
                      pages >= needed && number + pages - 1 <= meta_.last_page;
    return good ? Result<void>() : damaged("damaged LMDB overflow page");
  }

  int fd_;
  const Meta& meta_;
  std::uint64_t visited_ = 0;
  std::uint64_t entries_ = 0;
  std::string last_key_;
};

}  // namespace

Result<void> check_lmdb(int fd) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return errno_error("fstat");
  QV_TRY(Meta meta, read_meta(fd, 0));
  if (!is_page_size(meta.page_size)) return damaged("not a whole LMDB file");
  QV_TRY(const Meta second, read_meta(fd, meta.page_size));
  if (second.page_size != meta.page_size) return damaged("damaged LMDB meta page");
  if (second.transaction > meta.transaction) meta = second;
  const std::uint64_t pages = static_cast<std::uint64_t>(st.st_size) / meta.page_size;
  if (meta.last_page >= pages) return damaged("truncated LMDB file");
  return Checker(fd, meta).run();
}

}  // namespace qv
