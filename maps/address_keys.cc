// SPDX-License-Identifier: 0BSD
#include "maps/address_keys.h"

#include "core/text.h"
#include "maps/memory_table.h"
#include "maps/qmail_names.h"

namespace qv {

namespace {

// The lengths of the prefixes of `local` that end before a delimiter, longest first.
std::vector<std::size_t> prefixes(std::string_view local, std::string_view delimiters) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = local.size(); i > 1; --i) {
    const std::size_t length = i - 1;
    if (delimiters.find(local[length]) != std::string_view::npos) lengths.push_back(length);
  }
  if (lengths.size() > kMaxPrefixes) {
    lengths[kMaxPrefixes - 1] = lengths.back();
    lengths.resize(kMaxPrefixes);
  }
  return lengths;
}

}  // namespace

std::vector<std::string> address_keys(std::string_view address, std::string_view delimiters) {
  const std::string whole = fold_key(address);
  std::vector<std::string> keys{whole};
  const AddressParts parts = split_address(whole);
  if (parts.local.empty()) return keys;
  const std::string domain = parts.has_domain ? "@" + std::string(parts.domain) : std::string();
  for (const std::size_t length : prefixes(parts.local, delimiters)) {
    keys.push_back(std::string(first_bytes(parts.local, length)) + domain);
  }
  if (parts.has_domain) keys.push_back(domain);
  return keys;
}

Result<Answer> lookup_address(Map& map, std::string_view address, std::string_view delimiters,
                              std::string& value) {
  if (map.is_pattern()) return map.lookup(fold_key(address), value);
  for (const std::string& key : address_keys(address, delimiters)) {
    QV_TRY(const Answer answer, map.lookup(key, value));
    if (answer == Answer::found) return answer;
  }
  return Answer::absent;
}

}  // namespace qv
