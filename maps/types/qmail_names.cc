// SPDX-License-Identifier: 0BSD
#include "maps/types/qmail_names.h"

#include "core/text.h"

namespace qv {

AddressParts split_address(std::string_view address) {
  const std::size_t at = find_last_byte(address, '@');
  if (at == address.size()) return {address, {}, false};
  return {first_bytes(address, at), after_bytes(address, at + 1), true};
}

}  // namespace qv
