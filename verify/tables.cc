// SPDX-License-Identifier: 0BSD
#include "verify/tables.h"

#include <set>
#include <utility>

#include "core/text.h"
#include "maps/open.h"
#include "maps/source.h"

namespace qv {

namespace {

// A fault is told when it is another one, and again after a minute.
constexpr std::int64_t kTellPauseUs = 1000000;
constexpr std::int64_t kTellAgainUs = 60000000;

// Empty where the daemon may ask the table itself.
std::string complaint_about_waiting(std::string_view table) {
  if (!kind_of(table).networked) return {};
  // Of tables made of others the proxy asks the members itself.
  std::string inner(table);
  for (std::size_t at = inner.find("proxy:"); at < inner.size(); at = inner.find("proxy:", at)) {
    inner.erase(at, 6);
  }
  return "may have to wait for somebody else, which would hold up all answers: write proxy:" +
         inner + " in control/verifymaps, and proxy:" + inner + " in control/proxy_read_maps";
}

MapOptions local_options() {
  MapOptions options;
  options.refuse_empty = true;
  return options;
}

std::string reason_of(const Error& error, std::string_view table) {
  std::string reason = describe_error(error, {});
  if (error.fault == Fault::config) {
    reason += "; see the log of qmail-proxymap, and whether control/proxy_read_maps has proxy:";
    reason += table;
  }
  return reason;
}

}  // namespace

struct RecipientTables::Proxied {
  Proxied(Loop& loop, PendingLookups& lookups, StreamAddress address,
          const ProxyClientLimits& limits)
      : answers(lookups, kMaxAnswers), client(loop, std::move(address), limits) {}

  std::string table;  // without "proxy:"
  bool whole_only = false;
  Lane lane = 0;
  CachedLookup<Found> answers;
  std::size_t asking = 0;
  ProxyClient client;  // its questions write into the answers: it goes first
};

struct RecipientTables::Table {
  std::string name;
  std::unique_ptr<Map> map;          // either this
  std::unique_ptr<Proxied> proxied;  // or that
  std::string told;                  // the last line for the operator that was no good news
  std::int64_t told_us = 0;
};

RecipientTables::RecipientTables(Loop& loop, PendingLookups& lookups, TableSettings settings)
    : loop_(loop), lookups_(lookups), settings_(std::move(settings)) {}

RecipientTables::~RecipientTables() = default;

void RecipientTables::tell(Table& table, std::string line) {
  table.told = std::move(line);
  table.told_us = loop_.now_us();
  if (settings_.notice) settings_.notice(table.told);
}

// Not with every question.
void RecipientTables::tell_fault(Table& table, std::string line) {
  const std::int64_t age = loop_.now_us() - table.told_us;
  if (age < (line == table.told ? kTellAgainUs : kTellPauseUs)) return;
  tell(table, std::move(line));
}

void RecipientTables::open(Table& table) {
  const auto refuse = [&](const Error& error, std::string reason) {
    tell(table, table.name + ": " + reason);
    table.map = make_fail_map(error, std::move(reason));
  };
  std::string_view inner = table.name;
  if (is_proxied(inner)) {
    Result<StreamAddress> address = parse_stream_address(settings_.proxy);
    if (!address.ok()) return refuse(address.error(), "PROXYMAP is no address");
    ProxyClientLimits limits;
    limits.queue = kMaxQuestions;
    limits.time_us = settings_.proxy_time_us;
    table.proxied = std::make_unique<Proxied>(loop_, lookups_, std::move(address).value(), limits);
    table.proxied->table = inner;
    table.proxied->lane = lane_of(LaneKind::table, Hash{}(inner));
    table.proxied->whole_only = kind_of(inner).pattern;
    return;
  }
  std::string complaint = complaint_about_waiting(table.name);
  if (!complaint.empty()) {
    return refuse(Error{Fault::config, 0, "networked table"}, std::move(complaint));
  }
  table.map = open_watched_map(
      table.name, local_options(),
      [this, &table](std::string_view line) { tell(table, std::string(line)); }, settings_.clock);
}

RecipientTables::Table& RecipientTables::find(std::string_view name) {
  const auto at = tables_.find(name);
  if (at != tables_.end()) return *at->second;
  Table& table = *tables_.emplace(name, std::make_unique<Table>()).first->second;
  table.name = name;
  open(table);
  return table;
}

void RecipientTables::keep(const std::vector<VerifyMaps::Named>& named) {
  std::set<std::string_view> wanted;
  for (const VerifyMaps::Named& each : named) wanted.insert(each.table);
  std::erase_if(tables_, [&wanted](const auto& entry) {
    // A decision that is parked must hear of its question; the table goes another time.
    const Table& table = *entry.second;
    return !wanted.contains(entry.first) && !(table.proxied && table.proxied->asking > 0);
  });
  for (const std::string_view table : wanted) static_cast<void>(find(table));
}

std::optional<CdbPrefetch> RecipientTables::prefetch(const VerifyMaps& maps,
                                                     std::string_view address) const {
  const std::string_view domain = after_bytes(address, find_last_byte(address, '@') + 1);
  std::optional<Constmap::Entry> entry = maps.entries.find_domain(domain);
  if (!entry) entry = maps.entries.find({});
  if (!entry || entry->value.empty()) return std::nullopt;
  const auto at = tables_.find(entry->value);
  if (at == tables_.end() || !at->second->map) return CdbPrefetch();
  return CdbPrefetch(at->second->map->cdb(), {}, address, {});
}

void RecipientTables::forget() {
  for (const auto& entry : tables_) {
    if (entry.second->proxied) entry.second->proxied->answers.forget();
  }
}

Result<Look> RecipientTables::find_recipient(std::string_view table, std::string_view address,
                                             std::string_view delimiters, TableHit& hit) {
  Table& asked = find(table);
  keys_.emplace(address, delimiters);
  hit = {};
  Result<Look> look = asked.proxied ? ask_proxied(asked, hit) : ask_local(asked, hit);
  if (!look.ok() || look.value() != Look::yes) hit.key = {};
  return look;
}

Result<Look> RecipientTables::ask_local(Table& table, TableHit& hit) {
  const Result<Answer> answer = lookup_address(*table.map, *keys_, hit.key, value_);
  hit.whole_only = table.map->is_pattern();
  if (!answer.ok()) {
    std::string reason = table.map->detail();
    if (reason.empty()) reason = describe_error(answer.error(), {});
    // Of an empty one its opening has told.
    if (!table.map->is_empty()) tell_fault(table, table.name + ": " + reason);
    return answer.error();
  }
  hit.value = value_;
  return answer.value() == Answer::found ? Look::yes : Look::no;
}

Result<Look> RecipientTables::ask_proxied(Table& table, TableHit& hit) {
  Proxied& proxied = *table.proxied;
  hit.whole_only = proxied.whole_only;
  const auto start = [&](CachedLookup<Found>::Entry& entry) -> Result<void> {
    ask(table, hit.key, entry);
    return {};
  };
  while (keys_->next(hit.key)) {
    QV_TRY(const Found* known, proxied.answers.find(hit.key, proxied.lane, start));
    if (known == nullptr) return Look::pending;
    if (known->answer == Answer::found) {
      hit.value = known->value;
      return Look::yes;
    }
    if (proxied.whole_only) break;
  }
  return Look::no;
}

void RecipientTables::ask(Table& table, std::string_view key, CachedLookup<Found>::Entry& entry) {
  ++table.proxied->asking;
  const std::int64_t now = loop_.now_us();
  table.proxied->client.lookup(
      table.proxied->table, MapOptions{}, key,
      [this, &table, &entry, now](const Result<Answer>& answer, std::string_view value) {
        --table.proxied->asking;
        Result<void> taken;
        if (answer.ok()) {
          entry.value = {answer.value(), std::string(first_bytes(value, kMaxValue))};
          if (!table.told.empty()) tell(table, table.name + ": in service");
          table.told.clear();
        } else {
          taken = answer.error();
          tell_fault(table, table.name + ": " + reason_of(answer.error(), table.name));
        }
        lookups_.settle(entry, now, taken);
      });
}

void check_tables(const VerifyMaps& maps, std::vector<Problem>& problems) {
  std::set<std::string_view> seen;
  for (const VerifyMaps::Named& named : maps.named) {
    if (!seen.insert(named.table).second) continue;
    std::string_view inner = named.table;
    std::string wrong = is_proxied(inner) ? std::string() : complaint_about_waiting(named.table);
    if (!wrong.empty()) {
      problems.push_back({std::string(maps.file), named.line, named.table + " " + wrong});
      continue;
    }
    Result<std::unique_ptr<Map>> map = open_map(named.table, local_options(), wrong);
    if (!map.ok() && wrong.empty()) wrong = describe_error(map.error(), {});
    if (map.ok() && map.value()->is_empty()) wrong = "the table is empty: it gives no answer";
    if (wrong.empty()) continue;
    problems.push_back({std::string(maps.file), named.line, named.table + ": " + wrong});
  }
}

}  // namespace qv
