// SPDX-License-Identifier: 0BSD
// maps/types/qmail_names.h - the address forms that qmail's own tables are keyed by.
// Pure.  Tests: tests/maps/qmail_tables_test.cc
#ifndef QV_MAPS_TYPES_QMAIL_NAMES_H_
#define QV_MAPS_TYPES_QMAIL_NAMES_H_

#include <string>
#include <string_view>

namespace qv {

// Local part and domain, split at the last '@'.
struct AddressParts {
  std::string_view local;
  std::string_view domain;
  bool has_domain = false;
};

[[nodiscard]] AddressParts split_address(std::string_view address);

}  // namespace qv

#endif  // QV_MAPS_TYPES_QMAIL_NAMES_H_
