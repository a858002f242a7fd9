// SPDX-License-Identifier: 0BSD
// maps/spec.h - table names as Postfix users write them: `type:name`, lists of them, and braces.
//
// Pure.  Manual: qmail-map(5).  Tests: tests/maps/spec_test.cc
#ifndef QV_MAPS_SPEC_H_
#define QV_MAPS_SPEC_H_

#include <string>
#include <string_view>
#include <vector>

namespace qv::maps {

// Splits `type:name`.  The type is one or more of [a-z0-9_]; the name is the rest and may hold any
// byte.  False where there is no such type in front.
[[nodiscard]] bool split_type(std::string_view text, std::string_view& type,
                              std::string_view& name);

// The elements of a list separated by commas or white space; text between { and } is not split.
// False where a brace lacks its partner.
[[nodiscard]] bool split_list(std::string_view text, std::vector<std::string_view>& elements);

// Without white space at both ends.
[[nodiscard]] std::string_view trim_white(std::string_view text);

// `{ text }` without its braces and the white space inside them; other text as it is, white space
// at the ends cut.
[[nodiscard]] std::string_view strip_braces(std::string_view text);

// True for `{ ... }` as a whole.
[[nodiscard]] bool is_braced(std::string_view text);

// Splits `name = value`, white space around both cut; false where there is no '=' or no name.
[[nodiscard]] bool split_assignment(std::string_view text, std::string_view& name,
                                    std::string_view& value);

// `name` with `.suffix` behind it unless it already ends so: Postfix's cdb:/x is the file /x.cdb.
[[nodiscard]] std::string with_suffix(std::string_view name, std::string_view suffix);

// Local part and domain, split at the last '@'.
struct AddressParts {
  std::string_view local;
  std::string_view domain;
  bool has_domain = false;
};

[[nodiscard]] AddressParts split_address(std::string_view address);

}  // namespace qv::maps

#endif  // QV_MAPS_SPEC_H_
