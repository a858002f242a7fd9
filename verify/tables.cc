// SPDX-License-Identifier: 0BSD
#include "verify/tables.h"

#include <set>
#include <utility>

#include "core/text.h"
#include "maps/open.h"
#include "maps/source.h"

namespace qv::verify {

namespace {

// Notices about faults: another fault is reported after a second, the same one after a minute.
constexpr std::int64_t kOtherFaultUs = 1000000;
constexpr std::int64_t kSameFaultUs = 60000000;

// Empty where the daemon may ask the table itself.
std::string complaint_about_waiting(std::string_view table) {
  if (!maps::kind_of(table).networked) return {};
  // The proxy itself asks the members of a table that is made of others.
  std::string inner(table);
  for (std::size_t at = inner.find("proxy:"); at < inner.size(); at = inner.find("proxy:", at)) {
    inner.erase(at, 6);
  }
  return "may have to wait for a server, which would hold up all answers: write proxy:" + inner +
         " in control/verifymaps, and proxy:" + inner + " in control/proxy_read_maps";
}

const maps::MapOptions kLocalOptions{.refuse_empty = true};

std::string reason_of(const Error& error, std::string_view table) {
  std::string reason = maps::describe_error(error, {});
  if (error.fault == Fault::config) {
    reason += "; see the log of qmail-proxymap, and whether control/proxy_read_maps has proxy:";
    reason += table;
  }
  return reason;
}

}  // namespace

struct RecipientTables::Proxied {
  Proxied(event::Loop& loop, PendingLookups& lookups, event::StreamAddress address,
          std::int64_t time_us, std::string_view name)
      : table(name),
        whole_only(maps::kind_of(name).pattern),
        lane(lane_of(LaneKind::table, std::hash<std::string_view>{}(name))),
        answers(lookups, kMaxAnswers),
        client(loop, std::move(address), {{.queue = kMaxQuestions}, time_us}) {}

  const std::string table;  // without "proxy:"
  const bool whole_only;
  const Lane lane;
  CachedLookup<Found> answers;
  std::size_t asking = 0;
  maps::ProxyClient client;  // its questions write into `answers`: it must be destroyed first
};

struct RecipientTables::Table {
  std::string name;
  std::unique_ptr<maps::Map> map;    // either this
  std::unique_ptr<Proxied> proxied;  // or this
  std::string fault;                 // the last notice, unless the table is in service again
  std::int64_t fault_us = 0;
};

RecipientTables::RecipientTables(event::Loop& loop, PendingLookups& lookups, TableSettings settings)
    : loop_(loop), lookups_(lookups), settings_(std::move(settings)) {}

RecipientTables::~RecipientTables() = default;

void RecipientTables::notify(Table& table, const std::string& text) {
  table.fault = text;
  table.fault_us = loop_.now_us();
  if (settings_.notice) settings_.notice(text);
}

// Not with every question.
void RecipientTables::notify_fault(Table& table, const std::string& text) {
  const std::int64_t age = loop_.now_us() - table.fault_us;
  if (age >= (text == table.fault ? kSameFaultUs : kOtherFaultUs)) notify(table, text);
}

void RecipientTables::open(Table& table) {
  const auto refuse = [&](const Error& error, std::string reason) {
    notify(table, table.name + ": " + reason);
    table.map = maps::make_fail_map(error, std::move(reason));
  };
  std::string_view inner = table.name;
  if (maps::is_proxied(inner)) {
    Result<event::StreamAddress> address = event::parse_stream_address(settings_.proxy);
    if (!address.ok()) return refuse(address.error(), "PROXYMAP is no address");
    table.proxied = std::make_unique<Proxied>(loop_, lookups_, std::move(address).value(),
                                              settings_.proxy_time_us, inner);
    return;
  }
  std::string complaint = complaint_about_waiting(table.name);
  if (!complaint.empty()) {
    return refuse(Error{Fault::config, 0, "networked table"}, std::move(complaint));
  }
  table.map = maps::open_watched_map(
      table.name, kLocalOptions,
      [this, &table](std::string_view line) { notify(table, std::string(line)); }, settings_.clock);
}

RecipientTables::Table& RecipientTables::find(std::string_view name) {
  const auto at = tables_.find(name);
  if (at != tables_.end()) return *at->second;
  Table& table = *tables_.emplace(name, std::make_unique<Table>()).first->second;
  table.name = name;
  open(table);
  return table;
}

void RecipientTables::retain(const std::vector<rcpt::VerifyMaps::Named>& named) {
  std::set<std::string_view> wanted;
  for (const rcpt::VerifyMaps::Named& each : named) wanted.insert(each.table);
  std::erase_if(tables_, [&wanted](const auto& entry) {
    // A parked decision still waits for its answer: the table is closed another time.
    const Table& table = *entry.second;
    return !wanted.contains(entry.first) && !(table.proxied && table.proxied->asking > 0);
  });
  for (const std::string_view table : wanted) static_cast<void>(find(table));
}

std::optional<rcpt::CdbPrefetch> RecipientTables::prefetch(const rcpt::VerifyMaps& maps,
                                                           std::string_view address) const {
  const std::string_view domain = after_bytes(address, find_last_byte(address, '@') + 1);
  std::optional<control::Constmap::Entry> entry = maps.entries.find_domain(domain);
  if (!entry) entry = maps.entries.find({});
  if (!entry || entry->value.empty()) return std::nullopt;
  const auto at = tables_.find(entry->value);
  if (at == tables_.end() || !at->second->map) return rcpt::CdbPrefetch();
  return rcpt::CdbPrefetch(at->second->map->cdb(), {}, address, {});
}

void RecipientTables::forget() {
  for (const auto& entry : tables_) {
    if (entry.second->proxied) entry.second->proxied->answers.forget();
  }
}

Result<rcpt::Look> RecipientTables::find_recipient(std::string_view table, std::string_view address,
                                                   std::string_view delimiters,
                                                   rcpt::TableHit& hit) {
  Table& asked = find(table);
  keys_.emplace(address, delimiters);
  hit = {};
  Result<rcpt::Look> look = asked.proxied ? ask_proxied(asked, hit) : ask_local(asked, hit);
  if (!look.ok() || look.value() != rcpt::Look::yes) hit.key = {};
  return look;
}

Result<rcpt::Look> RecipientTables::ask_local(Table& table, rcpt::TableHit& hit) {
  const Result<maps::Answer> answer = maps::lookup_address(*table.map, *keys_, hit.key, value_);
  hit.whole_only = table.map->is_pattern();
  if (!answer.ok()) {
    std::string reason = table.map->detail();
    if (reason.empty()) reason = maps::describe_error(answer.error(), {});
    // That it is empty was reported when it was opened.
    if (!table.map->is_empty()) notify_fault(table, table.name + ": " + reason);
    return answer.error();
  }
  hit.value = value_;
  return answer.value() == maps::Answer::found ? rcpt::Look::yes : rcpt::Look::no;
}

Result<rcpt::Look> RecipientTables::ask_proxied(Table& table, rcpt::TableHit& hit) {
  Proxied& proxied = *table.proxied;
  hit.whole_only = proxied.whole_only;
  const auto start = [&](CachedLookup<Found>::Entry& entry) -> Result<void> {
    ask(table, hit.key, entry);
    return {};
  };
  while (keys_->next(hit.key)) {
    QV_TRY(const Found* known, proxied.answers.find(hit.key, proxied.lane, start));
    if (known == nullptr) return rcpt::Look::pending;
    if (*known) {
      hit.value = **known;
      return rcpt::Look::yes;
    }
    if (proxied.whole_only) break;
  }
  return rcpt::Look::no;
}

void RecipientTables::ask(Table& table, std::string_view key, CachedLookup<Found>::Entry& entry) {
  ++table.proxied->asking;
  const std::int64_t now = loop_.now_us();
  table.proxied->client.lookup(
      table.proxied->table, maps::MapOptions{}, key,
      [this, &table, &entry, now](const Result<maps::Answer>& answer, std::string_view value) {
        --table.proxied->asking;
        if (!answer.ok()) {
          notify_fault(table, table.name + ": " + reason_of(answer.error(), table.name));
          return lookups_.settle(entry, now, answer.error());
        }
        entry.value.reset();
        if (answer.value() == maps::Answer::found) entry.value = first_bytes(value, kMaxValue);
        if (!table.fault.empty()) notify(table, table.name + ": in service");
        table.fault.clear();
        lookups_.settle(entry, now, {});
      });
}

void check_tables(const rcpt::VerifyMaps& maps, std::vector<control::Problem>& problems) {
  std::set<std::string_view> seen;
  for (const rcpt::VerifyMaps::Named& named : maps.named) {
    if (!seen.insert(named.table).second) continue;
    std::string_view inner = named.table;
    std::string wrong =
        maps::is_proxied(inner) ? std::string() : complaint_about_waiting(named.table);
    if (!wrong.empty()) {
      problems.push_back({std::string(maps.file), named.line, named.table + " " + wrong});
      continue;
    }
    Result<std::unique_ptr<maps::Map>> map = maps::open_map(named.table, kLocalOptions, wrong);
    if (!map.ok() && wrong.empty()) wrong = maps::describe_error(map.error(), {});
    if (map.ok() && map.value()->is_empty()) wrong = "the table is empty: it gives no answer";
    if (wrong.empty()) continue;
    problems.push_back({std::string(maps.file), named.line, named.table + ": " + wrong});
  }
}

}  // namespace qv::verify
