// SPDX-License-Identifier: 0BSD
// control/constmap.h - the entries of a control file, found regardless of the case of letters.
//
// As qmail's constmap: only A to Z and a to z are letters, 8-bit bytes match exactly, and of two
// lines with the same key the later one counts.  Each entry has its line number, so that a decision
// can name it.
//
// Threads: none.  Blocking: none.  find() does not allocate.
// Owns: a copy of the text.  Manual: qmail-control(5).  Tests: tests/control/constmap_test.cc
#ifndef QV_CONTROL_CONSTMAP_H_
#define QV_CONTROL_CONSTMAP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"

namespace qv::control {

class Constmap {
 public:
  enum class Form : std::uint8_t {
    keys,   // a line is a key; its value is empty
    pairs,  // `key:value`, cut at the first colon; blanks around it belong to key and value
  };

  // The views point into the map.
  struct Entry {
    std::string_view key;
    std::string_view value;
    int line = 0;
  };

  Constmap() = default;

  // A line of `pairs` without a colon is ignored, as by qmail; its number is added to `malformed`,
  // if given.
  Constmap(const std::vector<ControlLine>& lines, Form form, std::vector<int>* malformed = nullptr);

  // The entry with this key, or nullopt.  The empty key is a key like any other (`:value`).
  [[nodiscard]] std::optional<Entry> find(std::string_view key) const;

  // The entry of the domain itself, or else of its longest suffix that begins with a dot.
  [[nodiscard]] std::optional<Entry> find_domain(std::string_view domain) const;

  // Number of distinct keys.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  // Offset into text_, where the value follows the key, and the hash of the lower-cased key.
  struct Stored {
    std::uint32_t key_at = 0;
    std::uint32_t key_size = 0;
    std::uint32_t value_size = 0;
    std::uint32_t hash = 0;
    int line = 0;
  };

  void add(std::string_view key, std::string_view value, int line);
  [[nodiscard]] std::size_t find_slot(std::string_view key, std::uint32_t hash) const;
  [[nodiscard]] std::string_view key_of(const Stored& stored) const;

  std::string text_;
  std::vector<Stored> entries_;
  // Open addressing, a power of two and at most half full: 0 is free, else 1 + index of the entry.
  std::vector<std::uint32_t> slots_;
  std::size_t longest_key_ = 0;
};

}  // namespace qv::control

#endif  // QV_CONTROL_CONSTMAP_H_
