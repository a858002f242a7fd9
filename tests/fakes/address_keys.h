// SPDX-License-Identifier: 0BSD
// tests/fakes/address_keys.h - all keys of an address at once, for tests.
#ifndef QV_TESTS_FAKES_ADDRESS_KEYS_H_
#define QV_TESTS_FAKES_ADDRESS_KEYS_H_

#include <string>
#include <string_view>
#include <vector>

#include "maps/address_keys.h"

namespace qv {

inline std::vector<std::string> address_keys(std::string_view address,
                                             std::string_view delimiters) {
  std::vector<std::string> all;
  maps::AddressKeys keys(address, delimiters);
  for (std::string_view key; keys.next(key);) all.emplace_back(key);
  return all;
}

}  // namespace qv

#endif  // QV_TESTS_FAKES_ADDRESS_KEYS_H_
