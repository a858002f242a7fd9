// SPDX-License-Identifier: 0BSD
// maps/tool/users_assign.h - qmail's users/assign as the records of users/cdb.
//
// As qmail-newu(8): `=local:user:uid:gid:home:dash:ext:` is the key `!local` NUL, `+loc:...` is
// `!loc`, both lower-cased; the value is the six fields with a NUL between them.  The empty key has
// each character that ends a `+loc`, once.  A line with a single dot ends the file; a file without
// it was cut off, and is refused.
// Pure.  Manual: qmail-users(5).  Tests: tests/maps/qmail_tables_test.cc
#ifndef QV_MAPS_TOOL_USERS_ASSIGN_H_
#define QV_MAPS_TOOL_USERS_ASSIGN_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace qv {

enum class AssignLine : std::uint8_t { record, end, malformed };

class AssignParser {
 public:
  // Takes one line, without its newline.  record: `key` and `value` are set.  end: the line with
  // the dot.  malformed: `wrong` says why.
  [[nodiscard]] AssignLine take(std::string_view line, std::string& key, std::string& value,
                                std::string& wrong);

  // The value of the empty key, after the end.
  [[nodiscard]] const std::string& wildcards() const { return wildcards_; }

 private:
  std::string wildcards_;
};

}  // namespace qv

#endif  // QV_MAPS_TOOL_USERS_ASSIGN_H_
