// SPDX-License-Identifier: 0BSD
// rcpt/fastforward.h - the alias table behind the alias user's .qmail-default.
//
// A cdb as setforward builds it, named by VERIFY_FASTFORWARDCDB.  An address is in it where one of
// the keys `:user@host`, `:@host`, `:user@`, lower-cased, is.  A table that does not exist, is
// damaged or holds nothing cannot tell.
//
// Threads: none.  Blocking: refresh() opens a local file; find() reads the mapping and does not
// allocate.  Manual: qmail-verify(8).  Tests: tests/rcpt/decide_test.cc
#ifndef QV_RCPT_FASTFORWARD_H_
#define QV_RCPT_FASTFORWARD_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"
#include "maps/owner_table.h"
#include "rcpt/fixed_text.h"
#include "rcpt/users_cdb.h"
#include "rcpt/watched_cdb.h"

namespace qv {

// `:user@host`, `:@host` and `:user@`, lower-cased, but for those that are too long for any
// address.
class AliasKeys {
 public:
  AliasKeys(std::string_view user, std::string_view host);
  AliasKeys(const AliasKeys&) = delete;
  AliasKeys& operator=(const AliasKeys&) = delete;

  // Good as long as this object.
  [[nodiscard]] std::span<const std::string_view> view() const { return {views_, count_}; }

 private:
  void add(std::string_view user, std::string_view host);

  FixedText<kMaxLocal + 257> texts_[kMaxTableKeys];
  std::string_view views_[kMaxTableKeys];
  std::size_t count_ = 0;
};

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
