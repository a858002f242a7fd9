// SPDX-License-Identifier: 0BSD
#include "proxymap/service.h"

#include <utility>

#include "core/text.h"

namespace qv::proxymap {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kReportAgainUs = 60 * kSecondUs;
constexpr std::size_t kMaxRefusals = 256;
constexpr std::uint32_t kNoUnauthenticated = 1u << 13;

// All that the client asks for: when it opened the table, and with this request.
std::uint32_t asked_flags(const wire::proxymap::Request& request) {
  return request.flags | request.instance_flags;
}

std::uint32_t reply_flags(const wire::proxymap::Request& request, KeyEnding ending,
                          wire::proxymap::Status status) {
  if (request.dialect == wire::proxymap::Dialect::plain) return 0;
  return settle(request.flags, status == wire::proxymap::Status::ok ? ending : KeyEnding::unknown);
}

bool has_nul(std::string_view s) { return find_byte(s, '\0') != s.size(); }

bool is_answer(wire::proxymap::Status status) {
  return status == wire::proxymap::Status::ok || status == wire::proxymap::Status::no_key;
}

}  // namespace

Service::Service(event::Loop& loop, ServiceSettings settings, AllowList& allow_list, Tables& tables,
                 process::Pool& pool, Counters& counters, Report report)
    : loop_(loop),
      settings_(std::move(settings)),
      allow_list_(allow_list),
      tables_(tables),
      pool_(pool),
      counters_(counters),
      report_(std::move(report)),
      second_(loop.every(kSecondUs, [this] { every_second(); })) {}

std::optional<wire::proxymap::Reply> Service::ask(const wire::proxymap::Request& request,
                                                  Client& client) {
  ++counters_.requests[request.operation];
  std::optional<wire::proxymap::Reply> reply =
      wire::proxymap::Reply{.status = wire::proxymap::Status::deny};
  if (is_approved(request, client.fd)) {
    Table& table = tables_.add(request.table);
    if (is_allowed(request, table, client.fd)) reply = answer(request, table, client);
  }
  if (reply) ++counters_.replies[reply->status];
  return reply;
}

// Nothing about a table is looked at or stored before the list approves it.
bool Service::is_approved(const wire::proxymap::Request& request, int client) {
  if (allow_list_.approves(request.table)) return true;
  tables_.drop(request.table);
  if (reported_lately(std::string(request.table))) return false;
  const std::string line = approving_line(request.table);
  report_({.kind = EventKind::refused,
           .operation = wire::proxymap::operation_name(request.operation),
           .table = request.table,
           .file = allow_list_.path(),
           .line = line,
           .client = client});
  return false;
}

// Some requests are refused although their table is approved.
bool Service::is_allowed(const wire::proxymap::Request& request, const Table& table, int client) {
  const char* why = nullptr;
  const bool writing = request.operation == wire::proxymap::Operation::update ||
                       request.operation == wire::proxymap::Operation::erase;
  if (writing && !settings_.writes) why = "this service is read-only";
  if (request.operation == wire::proxymap::Operation::sequence && table.kind.networked) {
    why = "tables behind another server are not listed";
  }
  if ((asked_flags(request) & kNoUnauthenticated) != 0 && table.type() == "tcp") {
    why = "its answers are not authenticated";
  }
  if (why == nullptr) return true;
  const std::string_view operation = wire::proxymap::operation_name(request.operation);
  if (reported_lately(std::string(operation) + " " + table.name)) return false;
  report_({.kind = EventKind::not_allowed,
           .operation = operation,
           .table = table.name,
           .detail = why,
           .client = client});
  return false;
}

// A client that is refused tends to ask again: the same refusal is reported once a minute.
bool Service::reported_lately(std::string what) {
  if (refusals_.size() >= kMaxRefusals && refusals_.count(what) == 0) return true;
  return !refusals_.try_emplace(std::move(what), loop_.now_us()).second;
}

std::optional<wire::proxymap::Reply> Service::answer(wire::proxymap::Request request, Table& table,
                                                     Client& client) {
  table.last_used_us = loop_.now_us();
  if (request.operation != wire::proxymap::Operation::open || !table.last_request) {
    table.last_request = request.flags & wire::proxymap::flag::kRequestMask;
  }
  if (request.operation == wire::proxymap::Operation::open) return open(request, table);
  if (request.operation == wire::proxymap::Operation::sequence)
    return walk(request, table, client.walk);
  const bool pattern = (table.own() & wire::proxymap::flag::kPattern) != 0;
  if ((asked_flags(request) &
       (pattern ? wire::proxymap::flag::kFoldPattern : wire::proxymap::flag::kFoldFixed)) != 0) {
    folded_.assign(request.key);
    for (char& c : folded_) c = ascii_lower(c);
    request.key = folded_;
  }
  if (table.kind.networked) return ask_worker(request, table, client);
  return ask_local(request, table);
}

wire::proxymap::Reply Service::open(const wire::proxymap::Request& request, Table& table) {
  // A table that cannot be opened now can be asked later: clients take no other answer here.
  wire::proxymap::Reply reply{.status = wire::proxymap::Status::ok};
  if (!table.kind.networked) {
    static_cast<void>(
        tables_.map(table, (request.instance_flags & wire::proxymap::flag::kNoSubstitution) != 0));
  }
  if (request.dialect == wire::proxymap::Dialect::with_flags) {
    reply.flags = opened_flags(table.own(), request.instance_flags);
    return reply;
  }
  const std::uint32_t asked = request.flags & ~wire::proxymap::flag::kRequestMask;
  reply.flags = settle(opened_flags(table.own(), asked) | *table.last_request, table.ending);
  return reply;
}

wire::proxymap::Reply Service::ask_local(const wire::proxymap::Request& request, Table& table) {
  maps::Map& map =
      tables_.map(table, (asked_flags(request) & wire::proxymap::flag::kNoSubstitution) != 0);
  perform(map, request, answer_);
  if (answer_.status == wire::proxymap::Status::ok &&
      request.operation != wire::proxymap::Operation::erase) {
    settle_ending(table, map, request.key);
  }
  record_outcome(table.name, request.operation, answer_.status, answer_.detail);
  return {.status = answer_.status,
          .flags = reply_flags(request, table.ending, answer_.status),
          .value = answer_.value};
}

// A map looks for a key in both forms and does not say which it found.  A key that is found with a
// NUL behind it is there in that form.
void Service::settle_ending(Table& table, maps::Map& map, std::string_view key) {
  if (table.ending != KeyEnding::unknown || (table.own() & wire::proxymap::flag::kTryWithNul) == 0)
    return;
  std::string ignored;
  const Result<maps::Answer> ended = map.lookup(std::string(key) + '\0', ignored);
  if (!ended.ok()) return;
  table.ending =
      ended.value() == maps::Answer::found ? KeyEnding::with_nul : KeyEnding::without_nul;
}

wire::proxymap::Reply Service::walk(const wire::proxymap::Request& request, const Table& table,
                                    Client::Walk& walk) {
  const bool going_on = request.next && walk.map && walk.table == table.name;
  if (!going_on) walk = {};
  if (!going_on && walks_.use_count() <= static_cast<long>(settings_.max_walks)) {
    walk = {table.name, tables_.private_map(table), walks_};
  }
  wire::proxymap::Reply reply;  // Status::retry where there is no place for another walk
  if (walk.map) {
    key_.clear();
    answer_.value.clear();
    const Result<maps::Answer> result =
        walk.map->sequence(going_on ? maps::Step::next : maps::Step::first, key_, answer_.value);
    reply.status = status_of(result);
    if (!result.ok()) {
      record_outcome(table.name, request.operation, reply.status,
                     failure_of(*walk.map, result.error()));
    } else if (has_nul(key_) || has_nul(answer_.value)) {
      reply.status = wire::proxymap::Status::config;
    }
  }
  if (reply.status == wire::proxymap::Status::ok) {
    reply.key = key_;
    reply.value = answer_.value;
  } else {
    walk = {};
  }
  reply.flags = reply_flags(request, KeyEnding::unknown, reply.status);
  return reply;
}

AnswerCache* Service::cache_of(const std::string& table) {
  const auto limits = settings_.caches.find(table);
  if (limits == settings_.caches.end()) return nullptr;
  return &caches_.try_emplace(table, limits->second).first->second;
}

std::optional<wire::proxymap::Reply> Service::ask_worker(const wire::proxymap::Request& request,
                                                         const Table& table, Client& client) {
  const bool looking = request.operation == wire::proxymap::Operation::lookup;
  // An answer that depends on the options of the request is not stored for others.
  const bool cached =
      looking && (asked_flags(request) & wire::proxymap::flag::kNoSubstitution) == 0;
  const std::uint32_t flags = reply_flags(request, KeyEnding::unknown, wire::proxymap::Status::ok);
  AnswerCache* const cache = cache_of(table.name);
  if (cache != nullptr && !looking) cache->forget(request.key);
  if (cache != nullptr && cached) {
    if (const auto stored = cache->find(request.key, loop_.now_us())) {
      ++counters_.cache_hits;
      return wire::proxymap::Reply{
          .status = status_of(stored->answer), .flags = flags, .value = stored->value};
    }
  }
  ++counters_.to_workers;
  client.ticket =
      pool_.ask(job_of(request),
                [this, &client, flags, cached, name = table.name, operation = request.operation,
                 key = std::string(request.key)](const Result<process::Message>& answered) {
                  const WorkerAnswer answer = answer_of(answered);
                  // A cache that is gone was emptied meanwhile: this answer may be older than that.
                  const auto store = caches_.find(name);
                  if (cached && store != caches_.end() && is_answer(answer.status)) {
                    const maps::Answer found = answer.status == wire::proxymap::Status::ok
                                                   ? maps::Answer::found
                                                   : maps::Answer::absent;
                    store->second.store(key, found, answer.value, loop_.now_us());
                  }
                  record_outcome(name, operation, answer.status, answer.detail);
                  ++counters_.replies[answer.status];
                  client.ticket = 0;
                  client.on_reply({.status = answer.status, .flags = flags, .value = answer.value});
                });
  return std::nullopt;
}

void Service::notice(std::string_view text) {
  last_notice_ = text;
  report_({.detail = text});
}

// One line when a table stops answering and one when it answers again, and one a minute between.
void Service::record_outcome(const std::string& table, wire::proxymap::Operation operation,
                             wire::proxymap::Status status, std::string_view detail) {
  const auto at = troubles_.find(table);
  if (is_answer(status)) {
    if (!detail.empty()) report_({.table = table, .detail = detail});
    if (at == troubles_.end()) return;
    const bool reported = at->second.reported;
    troubles_.erase(at);
    if (reported) report_({.kind = EventKind::recovered, .table = table});
    return;
  }
  const bool is_new = at == troubles_.end();
  Trouble& trouble = is_new ? troubles_[table] : at->second;
  const std::int64_t now = loop_.now_us();
  if (!is_new && now - trouble.since_us < kReportAgainUs && trouble.detail == detail) return;
  const bool noticed = is_new && !detail.empty() && ends_with(last_notice_, detail);
  trouble = {std::string(detail), now, trouble.reported || !noticed};
  if (noticed) return;
  report_({.kind = EventKind::trouble,
           .operation = wire::proxymap::operation_name(operation),
           .table = table,
           .status = wire::proxymap::status_name(status),
           .detail = detail});
}

void Service::every_second() {
  const std::int64_t now = loop_.now_us();
  allow_list_.follow(now);
  tables_.close_idle(now - settings_.max_idle_us);
  std::erase_if(refusals_,
                [now](const auto& entry) { return now - entry.second > kReportAgainUs; });
}

void Service::reload(std::unordered_map<std::string, CacheLimits> caches) {
  allow_list_.follow(loop_.now_us());
  caches_.clear();
  settings_.caches = std::move(caches);
}

}  // namespace qv::proxymap
