// SPDX-License-Identifier: 0BSD
// rcpt/verifymaps.h - control/verifymaps: which domains' recipients are looked up in which tables.
//
//   example.org:cdb:/etc/mail/example    the recipients of this domain
//   .example.org:proxy:pgsql:/etc/x.cf   of every domain below it
//   other.example:                       by qmail's own rules, whatever the next line says
//   :lmdb:/etc/mail/all                  of every domain that is local or virtual here
//
// A line that says no table is a mistake, and means that its domain cannot be told: passed over, it
// would leave the domain to rules that it was taken from.
// Pure.  Manual: qmail-verify(8).  Tests: tests/rcpt/verifymaps_test.cc
#ifndef QV_RCPT_VERIFYMAPS_H_
#define QV_RCPT_VERIFYMAPS_H_

#include <string>
#include <string_view>
#include <vector>

#include "control/constmap.h"
#include "control/lines.h"

namespace qv {

struct VerifyMaps {
  // The value of an entry that says no table.
  static constexpr std::string_view kMistaken = ":";

  struct Named {
    std::string table;  // "cdb:/etc/mail/example"
    int line = 0;
  };

  bool usable = false;
  std::string_view file;
  Constmap entries;          // domain to table; no table: qmail's own rules
  std::vector<Named> named;  // every line that names a table, in the order of the file

  // No domain is decided by a table, and that is certain.
  [[nodiscard]] bool is_unused() const { return usable && entries.size() == 0; }
};

// Blanks around domain and table do not count.  Adds what is wrong with the lines to `problems`.
[[nodiscard]] VerifyMaps parse_verifymaps(const std::vector<ControlLine>& lines,
                                          std::string_view file, std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_RCPT_VERIFYMAPS_H_
