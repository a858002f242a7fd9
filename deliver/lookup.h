// SPDX-License-Identifier: 0BSD
// deliver/lookup.h - from a recipient to its mailbox, and to whom the mailbox belongs.
//
// Three tables are asked, each with the same keys in the same order as the verifier asks them
// (maps/address_keys.h): the whole recipient, without its extension, `@domain`.  Tables of patterns
// get the whole recipient only.  What the tables say is believed only as far as it makes sense (a
// path below the base, ids in decimal that are not privileged): a table may be filled by somebody
// less careful.
//
// Threads: none.  Blocking: as the tables do.
// Manual: qmail-virtual(8), "TABLES".  Tests: tests/deliver/lookup_test.cc
#ifndef QV_DELIVER_LOOKUP_H_
#define QV_DELIVER_LOOKUP_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "deliver/quota.h"
#include "deliver/settings.h"
#include "maps/map.h"

namespace qv {

// The tables of one setting: the first one that has a key answers.
class TableList {
 public:
  void add(std::unique_ptr<Map> map);
  [[nodiscard]] bool empty() const { return tables_.empty(); }

  // Asks for the keys of `recipient`, each in all tables.  found: `value` is set.  absent: all
  // tables are whole and none has any of the keys.  Error: a table that could not be asked, whether
  // or not a later one could answer; `detail` is added to.
  [[nodiscard]] Result<Answer> find(std::string_view recipient, std::string_view delimiter,
                                    std::string& value, std::string& detail);

 private:
  std::vector<std::unique_ptr<Map>> tables_;
};

struct RecipientTables {
  TableList mailbox;
  TableList uid;
  TableList gid;
  TableList limit;  // may be empty
};

struct Mailbox {
  std::string path;    // absolute; ends in '/' for a maildir
  std::string folder;  // subfolder to use where it exists: ".ext", or empty
  uid_t uid = 0;
  gid_t gid = 0;
  Quota quota;  // none where it does not limit()
  [[nodiscard]] bool is_maildir() const { return !path.empty() && path.back() == '/'; }
};

// found: `mailbox` is set.  absent: no such recipient.  Error config: what the tables say is not
// acceptable, `detail` tells what and where; Error retry: a table cannot be asked.
[[nodiscard]] Result<Answer> find_mailbox(const DeliverSettings& settings, RecipientTables& tables,
                                          std::string_view recipient, Mailbox& mailbox,
                                          std::string& detail);

// The extension of an address: what stands in its local part behind the first delimiter; empty
// where there is none.
[[nodiscard]] std::string_view extension_of(std::string_view recipient, std::string_view delimiter);

}  // namespace qv

#endif  // QV_DELIVER_LOOKUP_H_
