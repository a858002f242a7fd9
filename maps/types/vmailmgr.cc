// SPDX-License-Identifier: 0BSD
// vmailmgr:/home/user/passwd.cdb - the virtual users of vmailmgr's base user.
//
// The key is the local part, lower-cased; a domain behind it is passed over.  A user who is not
// there is `+`, the default user, where there is one.  A user whose account has expired, or who has
// neither a mailbox that is enabled nor a forward, is absent.  The value is the mailbox directory;
// without one the forwards, comma-separated.  Manual: qmail-map-qmail(5).
#include <time.h>

#include <algorithm>

#include "maps/mailbox_record.h"
#include "maps/spec.h"
#include "maps/types/cdb_table.h"

namespace qv {

namespace {

Result<Answer> judge(std::string_view bytes, std::string& value) {
  QV_TRY(const VmailmgrRecord record, parse_vmailmgr_record(bytes));
  if (mailbox_of(record, time(nullptr)) != Mailbox::takes_mail) return Answer::absent;
  value = record.mailbox.empty() ? record.forwards : record.mailbox;
  std::replace(value.begin(), value.end(), '\0', ',');
  return Answer::found;
}

Result<Answer> search(const CdbFile& file, std::string_view address, std::string& value) {
  const std::string_view user = split_address(address).local;
  if (user.empty()) return Answer::absent;
  std::string_view record;
  QV_TRY(const Answer exact, file.find(user, record));
  if (exact == Answer::found) return judge(record, value);
  QV_TRY(const Answer other, file.find("+", record));
  if (other == Answer::found) return judge(record, value);
  return Answer::absent;
}

Result<std::unique_ptr<Map>> open_vmailmgr(const MapSpec& spec, std::string& detail) {
  return open_cdb_search(strip_braces(spec.name), search, detail);
}

}  // namespace

extern const MapType map_type_vmailmgr;
const MapType map_type_vmailmgr{"vmailmgr",
                                {.pattern = true, .listable = true},
                                "/home/user/passwd.cdb: vmailmgr's virtual users",
                                open_vmailmgr};

}  // namespace qv
