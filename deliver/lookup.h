// SPDX-License-Identifier: 0BSD
// deliver/lookup.h - from a recipient to its mailbox and the mailbox's owner.
//
// The tables are asked with the same keys in the same order as the verifier asks them
// (maps/address_keys.h): the whole recipient, without its extension, `@domain`.  Tables of patterns
// get the whole recipient only.  Their answers are accepted only within bounds (a path below the
// base, unprivileged ids in decimal), because the writers of a table may be less careful than the
// operator.
//
// The tables decide whose mailbox is written to and where.  They are therefore opened here and not
// through a proxy: a `proxy:` in front is ignored.  What a pattern matched ($1) never becomes part
// of a result, and an empty table of mailboxes is an error, not a site without users.
//
// Threads: none.  Blocking: as the tables do.
// Manual: qmail-virtual(8), "TABLES".  Tests: tests/deliver/lookup_test.cc, tables_test.cc
#ifndef QV_DELIVER_LOOKUP_H_
#define QV_DELIVER_LOOKUP_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/lines.h"
#include "core/result.h"
#include "deliver/quota.h"
#include "deliver/settings.h"
#include "maps/map.h"
#include "maps/open.h"

namespace qv::deliver {

// The tables of one setting: the first one that has a key answers.
struct TableList {
  // Looks up the keys of `recipient`, each in all tables.  found: `value` is set.  absent: all
  // tables are whole and none has any of the keys.  Error: a table could not be asked, whether or
  // not a later one could answer; `detail` says which.
  [[nodiscard]] Result<maps::Answer> find(std::string_view recipient, std::string_view delimiter,
                                          std::string& value, std::string& detail);

  std::string setting;  // its name
  std::vector<std::unique_ptr<maps::Map>> tables = {};
};

struct RecipientTables {
  TableList mailbox{"virtual_mailbox_maps"};
  TableList uid{"virtual_uid_maps"};
  TableList gid{"virtual_gid_maps"};
  TableList limit{"virtual_mailbox_limit_maps"};  // may be empty
};

// Never fails: a table that cannot be opened answers with the Error, and is tried again.  Tables
// follow their files; each change in what can be opened is given to `notice`.
[[nodiscard]] RecipientTables open_tables(const DeliverSettings& settings,
                                          const maps::MapNotice& notice);

// Opens each table once and adds what is wrong with it to `problems`, with the place where
// `settings` found its name.
void check_tables(const DeliverSettings& deliver, const control::Settings& settings,
                  std::vector<control::Problem>& problems);

struct Mailbox {
  std::string path;    // absolute; ends in '/' for a maildir
  std::string folder;  // subfolder to use where it exists: ".ext", or empty
  uid_t uid = 0;
  gid_t gid = 0;
  Quota quota;  // none where it does not limit()
  [[nodiscard]] bool is_maildir() const { return !path.empty() && path.back() == '/'; }
};

// found: `mailbox` is set.  absent: no such recipient.  Error config: an entry is not acceptable,
// `detail` says which; Error retry: a table cannot be asked.
[[nodiscard]] Result<maps::Answer> find_mailbox(const DeliverSettings& settings,
                                                RecipientTables& tables, std::string_view recipient,
                                                Mailbox& mailbox, std::string& detail);

}  // namespace qv::deliver

#endif  // QV_DELIVER_LOOKUP_H_
