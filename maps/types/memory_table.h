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
#include <utility>
#include <vector>

#include "core/text.h"
#include "maps/map.h"

namespace qv {

class MemoryTable final : public Map {
 public:
  // found: the key was there and its value stays.  absent: added.
  Answer add(std::string_view key, std::string_view value) {
    const bool added = entries_.try_emplace(std::string(key), value).second;
    return added ? Answer::absent : Answer::found;
  }
  void set_source(SourceStamp stamp) { sources_.push_back(std::move(stamp)); }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return Answer::absent;
    value = entry->second;
    return Answer::found;
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    if (step == Step::first) walk_ = entries_.begin();
    if (walk_ == entries_.end()) return Answer::absent;
    key = walk_->first;
    value = walk_->second;
    ++walk_;
    return Answer::found;
  }
  bool is_empty() override { return entries_.empty(); }
  void sources(std::vector<SourceStamp>& out) const override {
    out.insert(out.end(), sources_.begin(), sources_.end());
  }

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
[[nodiscard]] inline std::string fold_key(std::string_view key) {
  std::string out(key);
  for (char& c : out) c = ascii_lower(c);
  return out;
}

}  // namespace qv

#endif  // QV_MAPS_TYPES_MEMORY_TABLE_H_
