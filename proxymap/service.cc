// SPDX-License-Identifier: 0BSD
#include "proxymap/service.h"

#include <utility>

#include "core/text.h"

namespace qv::proxymap {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kTellAgainUs = 60 * kSecondUs;
constexpr std::size_t kMaxRefusals = 256;
constexpr std::uint32_t kNoUnauthenticated = 1u << 13;

Job job_of(const Request& request, std::string_view key) {
  Job job;
  job.operation = request.operation;
  job.table = request.table;
  job.no_substitution = (request.flags & flag::kNoSubstitution) != 0;
  job.key = key;
  job.value = request.value;
  return job;
}

}  // namespace

Walk::~Walk() { end(); }

void Walk::end() {
  map_.reset();
  table_.clear();
  if (walks_ != nullptr) --*walks_;
  walks_ = nullptr;
}

Service::Service(Loop& loop, const ServiceSettings& settings, AllowList& allow_list, Tables& tables,
                 process::Pool& pool, Counters& counters, Tell tell)
    : loop_(loop),
      settings_(settings),
      allow_list_(allow_list),
      tables_(tables),
      pool_(pool),
      counters_(counters),
      tell_(std::move(tell)),
      second_(loop.every(kSecondUs, [this] { every_second(); })) {}

Service::Done Service::ask(const Request& request, Asker& asker, Walk& walk, int client,
                           Reply& reply, process::Pool::Ticket& ticket) {
  ++counters_.requests[request.operation];
  reply = Reply{};
  reply.status = Status::deny;
  Table* table = approved(request, client);
  if (table == nullptr || !allowed(request, *table, client)) {
    ++counters_.replies[reply.status];
    return Done::now;
  }
  table->last_used_us = loop_.now_us();
  note_request(request, *table);
  switch (request.operation) {
    case Operation::open:
      reply = open(request, *table);
      break;
    case Operation::sequence:
      reply = sequence(request, *table, walk);
      break;
    case Operation::lookup:
    case Operation::update:
    case Operation::erase:
      if (table->kind().networked) {
        if (networked(request, *table, asker, reply, ticket) == Done::later) return Done::later;
        break;
      }
      reply = local(request, *table);
      break;
  }
  ++counters_.replies[reply.status];
  return Done::now;
}

// Nothing about a table is looked at, and nothing kept, before the list has said that it may be.
Table* Service::approved(const Request& request, int client) {
  Table* table = tables_.find(request.table);
  if (table != nullptr && table->approved_in == allow_list_.generation()) return table;
  if (!allow_list_.approves(request.table)) {
    if (table != nullptr) tables_.drop(*table);
    refuse(request, client);
    return nullptr;
  }
  if (table == nullptr) table = &tables_.add(request.table);
  table->approved_in = allow_list_.generation();
  return table;
}

// The same is said once a minute: a client that is refused tends to ask again.
bool Service::told_lately(std::string what) {
  if (refusals_.size() >= kMaxRefusals && refusals_.count(what) == 0) return true;
  return !refusals_.try_emplace(std::move(what), loop_.now_us()).second;
}

void Service::refuse(const Request& request, int client) {
  if (told_lately(std::string(request.table))) return;
  const std::string line = approving_line(request.table);
  tell_({.kind = EventKind::refused,
         .operation = operation_name(request.operation),
         .table = request.table,
         .file = allow_list_.path(),
         .line = line,
         .client = client});
}

// An approved table can still be asked for what is not to be.
bool Service::allowed(const Request& request, const Table& table, int client) {
  const char* why = nullptr;
  const bool writing =
      request.operation == Operation::update || request.operation == Operation::erase;
  if (writing && !settings_.writes) why = "this service is read-only";
  if (request.operation == Operation::sequence && table.kind().networked) {
    why = "tables behind another server are not listed";
  }
  if (((request.instance_flags | request.flags) & kNoUnauthenticated) != 0 &&
      table.type() == "tcp") {
    why = "its answers are not authenticated";
  }
  if (why == nullptr) return true;
  const std::string_view operation = operation_name(request.operation);
  if (told_lately(std::string(operation) + " " + table.name())) return false;
  tell_({.kind = EventKind::not_allowed,
         .operation = operation,
         .table = table.name(),
         .detail = why,
         .client = client});
  return false;
}

// The plain dialect's open shows what the request before had asked for.
void Service::note_request(const Request& request, Table& table) const {
  if (request.operation == Operation::open && table.seen_request) return;
  table.seen_request = true;
  table.last_request = request.flags & flag::kRequestMask;
}

Reply Service::open(const Request& request, Table& table) {
  Reply reply;
  // A table that cannot be opened now can be asked later: clients take no other answer here.
  reply.status = Status::ok;
  if (!table.kind().networked) {
    static_cast<void>(tables_.map(table, (request.instance_flags & flag::kNoSubstitution) != 0));
  }
  if (request.dialect == Dialect::with_flags) {
    reply.flags = opened_flags(table.own(), request.instance_flags);
    return reply;
  }
  const std::uint32_t asked = request.flags & ~flag::kRequestMask;
  reply.flags = settle(opened_flags(table.own(), asked) | table.last_request, table.ending);
  return reply;
}

std::uint32_t Service::reply_flags(const Request& request, KeyEnding ending, Status status) {
  if (request.dialect == Dialect::plain) return 0;
  return settle(request.flags, status == Status::ok ? ending : KeyEnding::unknown);
}

std::string_view Service::fold(const Request& request, const Table& table) {
  const bool pattern = (table.own() & flag::kPattern) != 0;
  const std::uint32_t bit = pattern ? flag::kFoldPattern : flag::kFoldFixed;
  if (((request.flags | request.instance_flags) & bit) == 0) return request.key;
  folded_.assign(request.key);
  for (char& c : folded_) c = ascii_lower(c);
  return folded_;
}

Reply Service::local(const Request& request, Table& table) {
  const std::uint32_t asked = request.flags | request.instance_flags;
  Map& map = tables_.map(table, (asked & flag::kNoSubstitution) != 0);
  const std::string_view key = fold(request, table);
  value_.clear();
  const Result<Answer> result = request.operation == Operation::lookup ? map.lookup(key, value_)
                                : request.operation == Operation::update
                                    ? map.update(key, request.value)
                                    : map.erase(key);
  Reply reply;
  reply.status = status_of(result);
  if (request.operation == Operation::update && reply.status == Status::no_key) {
    reply.status = Status::ok;
  }
  const bool has_nul = find_byte(value_, '\0') != value_.size();
  if (has_nul) reply.status = Status::config;
  if (reply.status == Status::ok) {
    if (request.operation == Operation::lookup) reply.value = value_;
    if (request.operation != Operation::erase) settle_ending(table, map, key);
  }
  if (!result.ok()) {
    note_failure(table.name(), request.operation, result.error(), map);
  } else if (has_nul) {
    note_outcome(table.name(), request.operation, reply.status, "the value holds a NUL");
  } else if (!troubles_.empty()) {
    note_outcome(table.name(), request.operation, reply.status, {});
  }
  reply.flags = reply_flags(request, table.ending, reply.status);
  return reply;
}

// A map looks for a key in both forms and does not say which it found.  One that is found with a
// NUL behind it is there in that form.
void Service::settle_ending(Table& table, Map& map, std::string_view key) {
  if (table.ending != KeyEnding::unknown || (table.own() & flag::kTryWithNul) == 0) return;
  key_.assign(key);
  key_.push_back('\0');
  std::string ignored;
  const Result<Answer> ended = map.lookup(key_, ignored);
  if (!ended.ok()) return;
  table.ending = ended.value() == Answer::found ? KeyEnding::with_nul : KeyEnding::without_nul;
}

Status Service::start_walk(const Table& table, Walk& walk) {
  walk.end();
  if (walks_ >= settings_.max_walks) return Status::retry;
  walk.map_ = tables_.private_map(table);
  walk.table_ = table.name();
  walk.walks_ = &walks_;
  ++walks_;
  return Status::ok;
}

Reply Service::sequence(const Request& request, Table& table, Walk& walk) {
  Reply reply;
  const bool going_on = request.next && walk.map_ && walk.table_ == table.name();
  if (!going_on) reply.status = start_walk(table, walk);
  if (walk.map_) {
    key_.clear();
    value_.clear();
    const Result<Answer> result =
        walk.map_->sequence(going_on ? Step::next : Step::first, key_, value_);
    reply.status = status_of(result);
    if (!result.ok()) {
      note_failure(table.name(), request.operation, result.error(), *walk.map_);
    }
  }
  const bool has_nul =
      find_byte(key_, '\0') != key_.size() || find_byte(value_, '\0') != value_.size();
  if (reply.status == Status::ok && has_nul) reply.status = Status::config;
  if (reply.status == Status::ok) {
    reply.key = key_;
    reply.value = value_;
  } else {
    walk.end();
  }
  reply.flags = reply_flags(request, KeyEnding::unknown, reply.status);
  return reply;
}

AnswerCache* Service::cache_of(const Table& table) {
  if (settings_.caches.empty()) return nullptr;
  const auto limits = settings_.caches.find(table.name());
  if (limits == settings_.caches.end()) return nullptr;
  return &caches_.try_emplace(table.name(), limits->second).first->second;
}

bool Service::find_kept(const Table& table, std::string_view key, Reply& reply) {
  AnswerCache* cache = cache_of(table);
  AnswerCache::Kept kept;
  if (cache == nullptr || !cache->find(key, loop_.now_us(), kept)) return false;
  ++counters_.cache_hits;
  reply.status = kept.answer == Answer::found ? Status::ok : Status::no_key;
  value_.assign(kept.value);
  reply.value = value_;
  return true;
}

void Service::keep(const std::string& table, const std::string& key, const JobAnswer& answer) {
  const auto cache = caches_.find(table);
  if (cache == caches_.end()) return;
  if (answer.status != Status::ok && answer.status != Status::no_key) return;
  const Answer what = answer.status == Status::ok ? Answer::found : Answer::absent;
  cache->second.keep(key, what, answer.value, loop_.now_us());
}

Service::Done Service::networked(const Request& request, Table& table, Asker& asker, Reply& reply,
                                 process::Pool::Ticket& ticket) {
  const std::string_view key = fold(request, table);
  const bool looking = request.operation == Operation::lookup;
  // What depends on the options of the request is not kept for others.
  const bool keeps = looking && (request.flags & flag::kNoSubstitution) == 0;
  reply = Reply{};
  if (keeps && find_kept(table, key, reply)) {
    reply.flags = reply_flags(request, KeyEnding::unknown, reply.status);
    return Done::now;
  }
  if (AnswerCache* cache = cache_of(table); cache != nullptr && !looking) {
    cache->forget(key);
  }
  const std::uint32_t flags = reply_flags(request, KeyEnding::unknown, Status::ok);
  ++counters_.to_workers;
  ticket =
      pool_.ask(order_of(job_of(request, key)),
                [this, &asker, flags, keeps, name = table.name(), operation = request.operation,
                 asked = std::string(key)](const Result<process::Message>& answered) {
                  const JobAnswer answer = answer_of(answered);
                  if (keeps) keep(name, asked, answer);
                  note_outcome(name, operation, answer.status, answer.detail);
                  ++counters_.replies[answer.status];
                  Reply late;
                  late.status = answer.status;
                  late.flags = flags;
                  late.value = answer.value;
                  asker.on_reply(late);
                });
  return Done::later;
}

void Service::note_failure(const std::string& table, Operation operation, const Error& error,
                           const Map& map) {
  const std::string detail = map.detail();
  note_outcome(table, operation, status_of(error),
               detail.empty() ? describe_error(error, {}) : detail);
}

void Service::notice(std::string_view text) {
  last_notice_ = text;
  tell_({.detail = text});
}

// One line when a table stops answering and one when it answers again, and one a minute between.
void Service::note_outcome(const std::string& table, Operation operation, Status status,
                           std::string_view detail) {
  const auto at = troubles_.find(table);
  if (status == Status::ok || status == Status::no_key) {
    if (!detail.empty()) tell_({.table = table, .detail = detail});
    if (at == troubles_.end()) return;
    const bool told = at->second.told;
    troubles_.erase(at);
    if (told) tell_({.kind = EventKind::recovered, .table = table});
    return;
  }
  Trouble& trouble = troubles_[table];
  const std::int64_t now = loop_.now_us();
  const bool lately = trouble.told_us != 0 && now - trouble.told_us < kTellAgainUs;
  if (lately && trouble.detail == detail) return;
  const bool noticed = trouble.told_us == 0 && !detail.empty() && ends_with(last_notice_, detail);
  trouble = {std::string(detail), now, trouble.told || !noticed};
  if (noticed) return;
  tell_({.kind = EventKind::trouble,
         .operation = operation_name(operation),
         .table = table,
         .status = status_name(status),
         .detail = detail});
}

void Service::every_second() {
  const std::int64_t now = loop_.now_us();
  allow_list_.follow(now);
  tables_.close_idle(now - settings_.max_idle_us);
  std::erase_if(refusals_, [now](const auto& entry) { return now - entry.second > kTellAgainUs; });
}

void Service::reload(std::unordered_map<std::string, CacheLimits> caches) {
  allow_list_.follow(loop_.now_us());
  caches_.clear();
  settings_.caches = std::move(caches);
}

}  // namespace qv::proxymap
