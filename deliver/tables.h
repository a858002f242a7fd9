// SPDX-License-Identifier: 0BSD
// deliver/tables.h - opening the tables that the settings name.
//
// They say whose mailbox is written to where, so they are opened here and not through a proxy, a
// `proxy:` in front is passed over; what a pattern matched ($1) never becomes part of a result; and
// an empty table of mailboxes is a mistake, not a site without users.
//
// Manual: qmail-virtual(8), "TABLES".  Tests: tests/deliver/tables_test.cc
#ifndef QV_DELIVER_TABLES_H_
#define QV_DELIVER_TABLES_H_

#include <functional>
#include <string_view>
#include <vector>

#include "control/lines.h"
#include "deliver/lookup.h"
#include "deliver/settings.h"

namespace qv {

// Told of each change in what can be opened, one line.
using TableNotice = std::function<void(std::string_view)>;

// Never fails: a table that cannot be opened answers with the Error, and is tried again.  Tables
// follow their files.
[[nodiscard]] RecipientTables open_tables(const DeliverSettings& settings,
                                          const TableNotice& notice);

// Opens each table once and adds to `problems` what is wrong with it, and where `settings` has its
// name from.
void check_tables(const DeliverSettings& deliver, const Settings& settings,
                  std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_DELIVER_TABLES_H_
