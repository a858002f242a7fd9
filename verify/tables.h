// SPDX-License-Identifier: 0BSD
// verify/tables.h - the tables that control/verifymaps names, asked without waiting.
//
// A table in a file is opened and read here; it follows its file (maps/open.h).  A table behind
// `proxy:` is asked of qmail-proxymap: its answers are remembered as long as those of a helper, and
// the decision is pending meanwhile.  Each such table has connections and a lane of its own, so
// that one database that hangs holds up no other.  Any other table that may block is a
// configuration error, and its recipients are undecided.
//
// An empty table of a file answers with an Error: otherwise it would refuse every recipient.
//
// Threads: none; one Loop.  Blocking: opening a changed file reads it.
// Bounded: tables, by the lines of control/verifymaps; questions and answers of each proxied one.
// Manual: qmail-verify(8).  Tests: tests/verify/tables_test.cc, tests/e2e/verifymaps.py
#ifndef QV_VERIFY_TABLES_H_
#define QV_VERIFY_TABLES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "event/loop.h"
#include "maps/address_keys.h"
#include "maps/open.h"
#include "maps/proxy_client.h"
#include "rcpt/config.h"
#include "rcpt/lookups.h"
#include "rcpt/users_cdb.h"
#include "verify/cached_lookup.h"

namespace qv {

struct TableSettings {
  std::string proxy;  // where qmail-proxymap listens: unix:/path or inet:addr:port
  std::int64_t proxy_time_us = 2000000;  // what an answer of it may take
  MapNotice notice;                      // one line for the operator; may be empty
  MapClock clock;                        // of the files; empty: core/clock.h
};

class RecipientTables {
 public:
  static constexpr std::size_t kMaxAnswers = 4096;   // remembered per proxied table
  static constexpr std::size_t kMaxQuestions = 500;  // waiting per proxied table
  static constexpr std::size_t kMaxValue = 512;      // bytes of a value that are remembered

  // REQUIRES: `loop` and `lookups` outlive this object.
  RecipientTables(Loop& loop, PendingLookups& lookups, TableSettings settings);
  ~RecipientTables();
  RecipientTables(const RecipientTables&) = delete;
  RecipientTables& operator=(const RecipientTables&) = delete;

  // Opens those that are not open, and closes those that are not named any more.
  void keep(const std::vector<VerifyMaps::Named>& named);

  // As in class Lookups.  A table that is not open is opened.
  [[nodiscard]] Result<Look> find_recipient(std::string_view table, std::string_view address,
                                            std::string_view delimiters, TableHit& hit);

  // Begins to fetch what a look-up of this address in a large cdb would read first, where `maps`
  // names a table for its domain; nullopt: it names none, and qmail's own rules count.
  [[nodiscard]] std::optional<CdbPrefetch> prefetch(const VerifyMaps& maps,
                                                    std::string_view address) const;

  // Forgets what proxied tables have answered, but for what somebody waits for.
  void forget();

  [[nodiscard]] std::size_t size() const { return tables_.size(); }

 private:
  struct Table;
  struct Proxied;
  struct Found {
    Answer answer = Answer::absent;
    std::string value;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  [[nodiscard]] Table& find(std::string_view name);
  void open(Table& table);
  [[nodiscard]] Result<Look> ask_local(Table& table, TableHit& hit);
  [[nodiscard]] Result<Look> ask_proxied(Table& table, TableHit& hit);
  void ask(Table& table, std::string_view key, CachedLookup<Found>::Entry& entry);
  void tell(Table& table, std::string line);
  void tell_fault(Table& table, std::string line);

  Loop& loop_;
  PendingLookups& lookups_;
  TableSettings settings_;
  std::unordered_map<std::string, std::unique_ptr<Table>, Hash, std::equal_to<>> tables_;
  std::optional<AddressKeys> keys_;  // of the current question
  std::string value_;                // what it found
};

// Opens each table as the daemon would, or asks the proxy whether it can; adds what is wrong, with
// the line of `maps` that names it.  Blocking.
void check_tables(const VerifyMaps& maps, std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_VERIFY_TABLES_H_
