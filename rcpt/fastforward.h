// SPDX-License-Identifier: 0BSD
// rcpt/fastforward.h - the alias table behind the alias user's .qmail-default.
//
// A cdb as setforward builds it, named by VERIFY_FASTFORWARDCDB.  An address is in it where one of
// the keys `:user@host`, `:@host`, `:user@`, lower-cased, is.  A table that does not exist, is
// damaged or holds nothing cannot tell.
//
// Threads: none.  Blocking: refresh() opens a local file; find() reads the mapping and does not
// allocate.  Manual: qmail-verify(8).  Tests: tests/rcpt/fastforward_test.cc
#ifndef QV_RCPT_FASTFORWARD_H_
#define QV_RCPT_FASTFORWARD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"
#include "rcpt/watched_cdb.h"

namespace qv {

// found: `:user@host`, `:@host` or `:user@`, lower-cased, is in the table.
[[nodiscard]] Result<Answer> find_alias(const CdbFile& table, std::string_view user,
                                        std::string_view host);

class FastforwardCdb {
 public:
  explicit FastforwardCdb(const std::string& path);

  // As WatchedCdb's; that the file does not exist is a problem here.
  Change refresh(std::int64_t now_us, std::vector<Problem>& problems);
  void force();

  // found, absent; Error: cannot say.
  [[nodiscard]] Result<Answer> find(std::string_view user, std::string_view host) const;

 private:
  WatchedCdb file_;
  bool missing_reported_ = false;
};

}  // namespace qv

#endif  // QV_RCPT_FASTFORWARD_H_
