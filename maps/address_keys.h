// SPDX-License-Identifier: 0BSD
// maps/address_keys.h - in which order a recipient is looked up.
//
// One order for the verifier, the delivery agent and `qmail-map get --address`: what RCPT accepted
// is what delivery finds.  Postfix's order, virtual(8): user+ext@domain, user@domain, @domain; the
// first hit wins.  Where the local part has several delimiters, the longest prefix comes first, as
// qmail does it.  Everything is lower-cased (A to Z).
// Pure.  Manual: qmail-map(5).  Tests: tests/maps/address_keys_test.cc
#ifndef QV_MAPS_ADDRESS_KEYS_H_
#define QV_MAPS_ADDRESS_KEYS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "maps/map.h"

namespace qv::maps {

// Where the operator names none (control/recipient_delimiter), in every program.
inline constexpr std::string_view kDefaultDelimiters = "-+";

// At most so many prefixes of a local part are tried: the shortest, and the longest ones.
inline constexpr std::size_t kMaxPrefixes = 16;

// The keys for one address, one after the other.  An address without '@' has no domain key; one
// without a local part has only itself.  Nothing is allocated for an address of up to kMaxInPlace
// bytes.
class AddressKeys {
 public:
  static constexpr std::size_t kMaxInPlace = 1280;

  // `delimiters`: characters any of which ends a prefix, but for one in front of everything.
  // REQUIRES: they outlive this object.
  AddressKeys(std::string_view address, std::string_view delimiters);
  AddressKeys(const AddressKeys&) = delete;
  AddressKeys& operator=(const AddressKeys&) = delete;

  // True: `key` is the next one, good until the next call.  False: there are no more.
  [[nodiscard]] bool next(std::string_view& key);

 private:
  enum class Stage : std::uint8_t { whole, prefixes, end };

  [[nodiscard]] bool next_prefix(std::string_view& key);

  std::string_view delimiters_;
  std::array<char, kMaxInPlace> in_place_;  // not initialised: most of it is never used
  std::string on_heap_;
  char* text_ = nullptr;   // the address, lower-cased; its local part is moved about
  std::size_t size_ = 0;   // of the whole
  std::size_t at_ = 0;     // where the domain begins, the '@' included
  std::size_t local_ = 0;  // where what is left of the local part begins: it ends at at_
  std::size_t tried_ = 0;  // prefixes
  Stage stage_ = Stage::whole;
};

// Looks the keys up, one after the other.  A table of patterns is asked only for the whole address.
// found: `value` is of the first key found, `key`.  absent: none of them.  Error: that of the first
// key that is undecided, where none before it was found; later keys are not looked up.
// REQUIRES: `keys` as constructed.
[[nodiscard]] Result<Answer> lookup_address(Map& map, AddressKeys& keys, std::string_view& key,
                                            std::string& value);

}  // namespace qv::maps

#endif  // QV_MAPS_ADDRESS_KEYS_H_
