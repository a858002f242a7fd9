// SPDX-License-Identifier: 0BSD
// maps/types/memory_table.h - keys and values in memory: what texthash and inline are made of.
//
// Keys stand in a hash table, in their first spelling; of a key added twice the first value counts.
// Threads: none.  Tests: tests/maps/contract_test.cc
#ifndef QV_MAPS_TYPES_MEMORY_TABLE_H_
#define QV_MAPS_TYPES_MEMORY_TABLE_H_

#include <string>
#include <string_view>
#include <unordered_map>

#include "maps/map.h"

namespace qv {

class MemoryTable final : public Map {
 public:
  // found: the key was there and its value stays.  absent: added.
  Answer add(std::string_view key, std::string_view value);
  void set_source(SourceStamp stamp);

  Result<Answer> lookup(std::string_view key, std::string& value) override;
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override;
  bool is_empty() override { return entries_.empty(); }
  void sources(std::vector<SourceStamp>& out) const override;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  using Entries = std::unordered_map<std::string, std::string, Hash, std::equal_to<>>;
  Entries entries_;
  Entries::const_iterator walk_ = entries_.end();
  std::vector<SourceStamp> sources_;
};

// A to Z become lower case.
[[nodiscard]] std::string fold_key(std::string_view key);

}  // namespace qv

#endif  // QV_MAPS_TYPES_MEMORY_TABLE_H_
