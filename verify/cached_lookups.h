// SPDX-License-Identifier: 0BSD
// verify/cached_lookups.h - the decision's look-ups, answered from what is known or parked.
//
//   lookups.begin(when the query came in);
//   Decision d = decide(...lookups...);
//   if it is pending: lookups.park(number), and decide again when `ready(number)` is called.
//
// Threads: none.  Blocking: never.  Tests: tests/verify/cached_lookups_test.cc
#ifndef QV_VERIFY_CACHED_LOOKUPS_H_
#define QV_VERIFY_CACHED_LOOKUPS_H_

#include <cstdint>

#include "rcpt/lookups.h"
#include "verify/homes.h"
#include "verify/known.h"
#include "verify/next_hops.h"
#include "verify/passwd.h"
#include "verify/tables.h"

namespace qv {

class CachedLookups final : public Lookups {
 public:
  // `ttl_us`: how long before its query came in an answer may have been found out.
  // REQUIRES: `loop` and `pool` outlive this object; `ready` may call back into it.
  CachedLookups(Loop& loop, helper::Pool& pool, std::int64_t ttl_us, const PasswdPaths& paths,
                Askers::Ready ready, TableSettings tables = {}, NextHopSettings next_hops = {})
      : askers_(loop, pool, ttl_us, std::move(ready)),
        homes_(askers_),
        passwd_(askers_, paths),
        tables_(loop, askers_, std::move(tables)),
        next_hops_(askers_, loop, std::move(next_hops)) {}

  void begin(std::int64_t asked_at_us) { askers_.begin(asked_at_us); }
  void park(std::uint32_t number) { askers_.park(number); }
  void forget() {
    homes_.forget();
    passwd_.forget();
    tables_.forget();
    next_hops_.forget();
  }
  [[nodiscard]] RecipientTables& tables() { return tables_; }

  [[nodiscard]] Result<Look> find_user(std::string_view name, Owner& owner) override {
    return passwd_.find_user(name, owner);
  }
  [[nodiscard]] Result<Look> owns_home(const Owner& owner) override {
    return homes_.owns_home(owner);
  }
  [[nodiscard]] Result<Look> has_file(const Owner& owner, std::string_view name) override {
    return homes_.has_file(owner, name);
  }
  [[nodiscard]] Result<Look> read_file(const Owner& owner, std::string_view name,
                                       FileText& text) override {
    return homes_.read_file(owner, name, text);
  }
  [[nodiscard]] Result<Look> find_key(const Owner& owner, const TableQuestion& question,
                                      TableFinding& finding) override {
    return homes_.find_key(owner, question, finding);
  }
  [[nodiscard]] Result<Look> find_recipient(std::string_view table, std::string_view address,
                                            std::string_view delimiters, TableHit& hit) override {
    return tables_.find_recipient(table, address, delimiters, hit);
  }
  [[nodiscard]] Result<Look> ask_next_hop(std::string_view address,
                                          NextHopAnswer& answer) override {
    return next_hops_.ask_next_hop(address, answer);
  }
  [[nodiscard]] std::size_t longest_name(const Owner& owner) override {
    return homes_.longest_name(owner);
  }

 private:
  Askers askers_;
  Homes homes_;
  Passwd passwd_;
  RecipientTables tables_;
  NextHops next_hops_;
};

}  // namespace qv

#endif  // QV_VERIFY_CACHED_LOOKUPS_H_
