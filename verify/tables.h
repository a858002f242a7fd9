// SPDX-License-Identifier: 0BSD
// verify/tables.h - the tables that control/verifymaps names, asked without waiting.
//
// A table in a file is opened and read here; it follows its file (maps/open.h).  For a `proxy:`
// table qmail-proxymap is asked, while the decision is pending; the answers are remembered as long
// as those of an agent.  Each such table has connections and a lane of its own, so that one
// database that hangs holds up no other.  Any other table that may block is a configuration error:
// its recipients are undecided.
//
// An empty table file answers with an Error: otherwise it would refuse every recipient.
//
// Threads: none; one Loop.  Blocking: opening a changed file reads it.
// Bounded: tables, by the lines of control/verifymaps; questions and answers of each proxied one.
// Manual: qmail-verify(8).  Tests: tests/verify/tables_test.cc, tests/e2e/verifymaps.py
#ifndef QV_VERIFY_TABLES_H_
#define QV_VERIFY_TABLES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.h"
#include "maps/address_keys.h"
#include "maps/open.h"
#include "maps/proxy_client.h"
#include "rcpt/config.h"
#include "rcpt/lookups.h"
#include "rcpt/users_cdb.h"
#include "verify/cached_lookup.h"

namespace qv::verify {

struct TableSettings {
  std::string proxy;  // where qmail-proxymap listens: unix:/path or inet:addr:port
  std::int64_t proxy_time_us = 2000000;  // time limit of its answers
  maps::MapNotice notice;                // one line for the operator; may be empty
  maps::MapClock clock;                  // of the files; empty: core/clock.h
};

class RecipientTables {
 public:
  static constexpr std::size_t kMaxAnswers = 4096;   // remembered per proxied table
  static constexpr std::size_t kMaxQuestions = 500;  // waiting per proxied table
  static constexpr std::size_t kMaxValue = 512;      // bytes of a value that are remembered

  // REQUIRES: `loop` and `lookups` outlive this object.
  RecipientTables(event::Loop& loop, PendingLookups& lookups, TableSettings settings);
  ~RecipientTables();
  RecipientTables(const RecipientTables&) = delete;
  RecipientTables& operator=(const RecipientTables&) = delete;

  // Opens tables that are not open, and closes those that are no longer named.
  void retain(const std::vector<rcpt::VerifyMaps::Named>& named);

  // As in class Lookups.  A table that is not open is opened.
  [[nodiscard]] Result<rcpt::Look> find_recipient(std::string_view table, std::string_view address,
                                                  std::string_view delimiters, rcpt::TableHit& hit);

  // Begins to fetch what a look-up of this address in a large cdb would read first, where `maps`
  // names a table for its domain; nullopt: it names none, and qmail's own rules decide.
  [[nodiscard]] std::optional<rcpt::CdbPrefetch> prefetch(const rcpt::VerifyMaps& maps,
                                                          std::string_view address) const;

  // Forgets the answers of proxied tables, but for those that queries wait for.
  void forget();

  [[nodiscard]] std::size_t size() const { return tables_.size(); }

 private:
  struct Table;
  struct Proxied;
  using Found = std::optional<std::string>;  // nullopt: absent

  [[nodiscard]] Table& find(std::string_view name);
  void open(Table& table);
  [[nodiscard]] Result<rcpt::Look> ask_local(Table& table, rcpt::TableHit& hit);
  [[nodiscard]] Result<rcpt::Look> ask_proxied(Table& table, rcpt::TableHit& hit);
  void ask(Table& table, std::string_view key, CachedLookup<Found>::Entry& entry);
  void notify(Table& table, const std::string& text);
  void notify_fault(Table& table, const std::string& text);

  event::Loop& loop_;
  PendingLookups& lookups_;
  TableSettings settings_;
  std::map<std::string, std::unique_ptr<Table>, std::less<>> tables_;
  std::optional<maps::AddressKeys> keys_;  // of the current question
  std::string value_;                      // what it found
};

// Opens each table as the daemon would, or asks the proxy whether it can; adds what is wrong to
// `problems`, with the line of `maps` that names it.  Blocking.
void check_tables(const rcpt::VerifyMaps& maps, std::vector<control::Problem>& problems);

}  // namespace qv::verify

#endif  // QV_VERIFY_TABLES_H_
