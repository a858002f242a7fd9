// SPDX-License-Identifier: 0BSD
#include "control/constmap.h"

#include "core/check.h"
#include "core/text.h"

namespace qv::control {

namespace {

std::uint32_t hash_ignoring_case(std::string_view key) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : key) {
    hash = (hash ^ static_cast<unsigned char>(ascii_lower(c))) * 0x100000001b3u;
  }
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

Constmap::Constmap(const std::vector<ControlLine>& lines, Form form, std::vector<int>* malformed) {
  std::size_t total = 0;
  for (const ControlLine& line : lines) total += line.text.size();
  QV_CHECK(total <= kMaxControlFile);
  text_.reserve(total);
  std::size_t slots = 8;
  while (slots < 2 * lines.size()) slots *= 2;
  slots_.resize(slots);
  entries_.reserve(lines.size());
  for (const ControlLine& line : lines) {
    std::string_view value = line.text;
    const bool has_colon = find_byte(value, ':') != value.size();
    if (form == Form::keys) {
      add(value, {}, line.number);
    } else if (has_colon) {
      const std::string_view key = take_until(value, ':');
      add(key, value, line.number);
    } else if (malformed != nullptr) {
      malformed->push_back(line.number);
    }
  }
}

void Constmap::add(std::string_view key, std::string_view value, int line) {
  Stored stored;
  stored.key_at = static_cast<std::uint32_t>(text_.size());
  stored.key_size = static_cast<std::uint32_t>(key.size());
  text_ += key;
  stored.value_size = static_cast<std::uint32_t>(value.size());
  text_ += value;
  stored.hash = hash_ignoring_case(key);
  stored.line = line;
  if (key.size() > longest_key_) longest_key_ = key.size();
  std::uint32_t& slot = slots_[find_slot(key, stored.hash)];
  if (slot != 0) {
    entries_[slot - 1] = stored;  // as in qmail's constmap, the later of two equal keys counts
    return;
  }
  entries_.push_back(stored);
  slot = static_cast<std::uint32_t>(entries_.size());
}

std::string_view Constmap::key_of(const Stored& stored) const {
  return {text_.data() + stored.key_at, stored.key_size};
}

// The slot that holds the key, or the free one where it would be.
std::size_t Constmap::find_slot(std::string_view key, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at] != 0) {
    const Stored& stored = entries_[slots_[at] - 1];
    if (stored.hash == hash && equal_ignoring_case(key_of(stored), key)) break;
    at = (at + 1) & mask;
  }
  return at;
}

std::optional<Constmap::Entry> Constmap::find(std::string_view key) const {
  // Keeps a hostile domain of hundreds of dots cheap, too: its long suffixes are not hashed.
  if (entries_.empty() || key.size() > longest_key_) return std::nullopt;
  const std::uint32_t slot = slots_[find_slot(key, hash_ignoring_case(key))];
  if (slot == 0) return std::nullopt;
  const Stored& stored = entries_[slot - 1];
  return Entry{key_of(stored),
               {text_.data() + stored.key_at + stored.key_size, stored.value_size},
               stored.line};
}

std::optional<Constmap::Entry> Constmap::find_domain(std::string_view domain) const {
  std::optional<Entry> entry = find(domain);
  for (std::size_t from = 1; !entry && from < domain.size(); ++from) {
    if (domain[from] == '.') entry = find(after_bytes(domain, from));
  }
  return entry;
}

}  // namespace qv::control
