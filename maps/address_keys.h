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

#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"

namespace qv {

// At most so many prefixes of a local part are tried: the shortest, and the longest ones.
inline constexpr std::size_t kMaxPrefixes = 16;

// The keys for `address`, in order.  `delimiters`: characters any of which ends a prefix; empty:
// none does.  A delimiter in front of everything cuts nothing.  An address without '@' has no
// domain key; one without a local part has only itself.
[[nodiscard]] std::vector<std::string> address_keys(std::string_view address,
                                                    std::string_view delimiters);

// Looks the keys up, one after the other.  A table of patterns is asked only for the whole address.
// found: `value` is of the first key found.  absent: none of them.  Error: one could not be told,
// and none before it was found; the keys behind it are not asked.
[[nodiscard]] Result<Answer> lookup_address(Map& map, std::string_view address,
                                            std::string_view delimiters, std::string& value);

}  // namespace qv

#endif  // QV_MAPS_ADDRESS_KEYS_H_
