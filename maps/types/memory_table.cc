// SPDX-License-Identifier: 0BSD
#include "maps/types/memory_table.h"

#include <utility>

#include "core/text.h"

namespace qv {

Answer MemoryTable::add(std::string_view key, std::string_view value) {
  const bool added = entries_.try_emplace(std::string(key), value).second;
  return added ? Answer::absent : Answer::found;
}

void MemoryTable::set_source(SourceStamp stamp) { sources_.push_back(std::move(stamp)); }

Result<Answer> MemoryTable::lookup(std::string_view key, std::string& value) {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return Answer::absent;
  value = entry->second;
  return Answer::found;
}

Result<Answer> MemoryTable::sequence(Step step, std::string& key, std::string& value) {
  if (step == Step::first) walk_ = entries_.begin();
  if (walk_ == entries_.end()) return Answer::absent;
  key = walk_->first;
  value = walk_->second;
  ++walk_;
  return Answer::found;
}

void MemoryTable::sources(std::vector<SourceStamp>& out) const {
  out.insert(out.end(), sources_.begin(), sources_.end());
}

std::string fold_key(std::string_view key) {
  std::string out(key);
  for (char& c : out) c = ascii_lower(c);
  return out;
}

}  // namespace qv
