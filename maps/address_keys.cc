// SPDX-License-Identifier: 0BSD
#include "maps/address_keys.h"

#include <string.h>

#include "core/text.h"

namespace qv::maps {

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
AddressKeys::AddressKeys(std::string_view address, std::string_view delimiters)
    : delimiters_(delimiters), size_(address.size()) {
  text_ = in_place_.data();
  if (size_ > kMaxInPlace) {
    on_heap_.resize(size_);
    text_ = on_heap_.data();
  }
  for (std::size_t i = 0; i < size_; ++i) text_[i] = ascii_lower(address[i]);
  at_ = find_last_byte(address, '@');
}

bool AddressKeys::next(std::string_view& key) {
  switch (stage_) {
    case Stage::whole:
      key = {text_, size_};
      stage_ = at_ == 0 ? Stage::end : Stage::prefixes;  // without a local part: only itself
      return true;
    case Stage::prefixes:
      if (next_prefix(key)) return true;
      stage_ = Stage::end;
      if (at_ == size_) return false;
      key = {text_ + at_, size_ - at_};
      return true;
    case Stage::end:
      return false;
  }
  return false;
}

// Cuts the rest of the local part at its last delimiter, and moves it up to the domain.  Of too
// many prefixes the last one tried is the shortest: the user's own name is never skipped.
bool AddressKeys::next_prefix(std::string_view& key) {
  const std::string_view local(text_ + local_, at_ - local_);
  std::size_t length = local.find_last_of(delimiters_);
  if (length == std::string_view::npos || length == 0 || tried_ == kMaxPrefixes) return false;
  if (++tried_ == kMaxPrefixes) length = local.find_first_of(delimiters_, 1);
  memmove(text_ + at_ - length, text_ + local_, length);
  local_ = at_ - length;
  key = {text_ + local_, size_ - local_};
  return true;
}

Result<Answer> lookup_address(Map& map, AddressKeys& keys, std::string_view& key,
                              std::string& value) {
  const bool whole_only = map.is_pattern();
  while (keys.next(key)) {
    QV_TRY(const Answer answer, map.lookup(key, value));
    if (answer == Answer::found || whole_only) return answer;
  }
  return Answer::absent;
}

}  // namespace qv::maps
