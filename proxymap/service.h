// SPDX-License-Identifier: 0BSD
// proxymap/service.h - one request in, one reply out, at once or later.
//
// The allow-list is asked before anything is touched.  Local tables are asked here; networked ones
// by a worker, so that no client waits for another's slow table.
//
// Threads: none; one Loop.  Blocking: what a local file takes.
// Manual: qmail-proxymap(8).  Tests: tests/proxymap/service_test.cc
#ifndef QV_PROXYMAP_SERVICE_H_
#define QV_PROXYMAP_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "event/loop.h"
#include "process/counters.h"
#include "process/pool.h"
#include "proxymap/allow_list.h"
#include "proxymap/answer_cache.h"
#include "proxymap/tables.h"
#include "proxymap/worker.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

struct Counters : process::CounterList {
  process::CounterArray<wire::proxymap::Operation, 5> requests{
      {{*this, "opens", "open requests"},
       {*this, "lookups", "lookup requests"},
       {*this, "updates", "update requests"},
       {*this, "deletes", "delete requests"},
       {*this, "sequences", "sequence requests"}}};
  process::CounterArray<wire::proxymap::Status, 6> replies{
      {{*this, "ok", "requests answered: done, or found"},
       {*this, "no_key", "requests answered: no such key"},
       {*this, "retry", "requests answered: undecided now"},
       {*this, "bad", "messages that made no sense"},
       {*this, "deny", "requests answered: not approved"},
       {*this, "config", "requests answered: undecided until the operator has acted"}}};
  process::Counter cache_hits{*this, "cache_hits", "look-ups answered from the cache"};
  process::Counter to_workers{*this, "to_workers", "requests given to a worker"};
};

enum class EventKind : std::uint8_t {
  refused,      // a table that is not approved; `file` and `line` say what would approve it
  not_allowed,  // an approved table, but not for this: `detail`
  bad_request,  // a message that makes no sense; its client is dropped
  dropped,      // a client that broke a limit
  trouble,      // a table that cannot answer
  recovered,    // it can again
  notice,       // of a table, or of a control file: `detail`
};

// The word in the log for each EventKind, in their order.
inline constexpr std::string_view kEventNames[] = {
    "refused", "not-allowed", "bad-request", "dropped", "trouble", "recovered", "notice"};

// What the operator may want to read; its views are good during the report.
struct Event {
  EventKind kind = EventKind::notice;
  std::string_view operation = {};
  std::string_view table = {};
  std::string_view status = {};
  std::string_view file = {};
  std::string_view line = {};
  std::string_view detail = {};
  int client = -1;  // descriptor of the client it is about
};

using Report = std::function<void(const Event&)>;

struct ServiceSettings {
  bool writes = false;  // the read-write service: update and delete are allowed
  std::int64_t max_idle_us = 100'000'000;
  std::size_t max_walks = 8;  // walks over a table at a time, each with a map of its own
  std::unordered_map<std::string, CacheLimits> caches;  // by table
};

// One client as the service sees it; part of its session.
struct Client {
  // A walk over a table (sequence requests).
  struct Walk {
    std::string table;
    std::unique_ptr<maps::Map> map;
    std::shared_ptr<const void> place;  // among max_walks
  };

  int fd = -1;                                                 // named in events
  std::function<void(const wire::proxymap::Reply&)> on_reply;  // receives a reply that comes later
  process::Pool::Ticket ticket = 0;  // of the request that a worker has; 0: none
  Walk walk = {};
};

class Service {
 public:
  // REQUIRES: everything outlives the service.
  Service(event::Loop& loop, ServiceSettings settings, AllowList& allow_list, Tables& tables,
          process::Pool& pool, Counters& counters, Report report);

  // The reply, its views good until the next call; or nothing: client.on_reply() will be called
  // once, from the loop, unless abandon() comes first.  REQUIRES: no request of the client is with
  // a worker; the client stays where it is until the reply or abandon().
  [[nodiscard]] std::optional<wire::proxymap::Reply> ask(const wire::proxymap::Request& request,
                                                         Client& client);
  // The client is going away.
  void abandon(const Client& client) { pool_.cancel(client.ticket); }

  // SIGHUP: reads the allow-list at once and empties the caches.
  void reload(std::unordered_map<std::string, CacheLimits> caches);

  // What an open table says of itself; reported, and not reported again as trouble.
  void notice(std::string_view text);

  [[nodiscard]] Counters& counters() { return counters_; }
  void report(const Event& event) const { report_(event); }

 private:
  struct Trouble {
    std::string detail;
    std::int64_t since_us = 0;
    bool reported = false;  // by report_failure(); else a notice had said it already
  };

  [[nodiscard]] std::optional<wire::proxymap::Reply> answer(wire::proxymap::Request request,
                                                            Table& table, Client& client);
  [[nodiscard]] bool is_approved(const wire::proxymap::Request& request, int client);
  [[nodiscard]] bool is_allowed(const wire::proxymap::Request& request, const Table& table,
                                int client);
  [[nodiscard]] bool reported_lately(std::string what);
  [[nodiscard]] wire::proxymap::Reply open(const wire::proxymap::Request& request, Table& table);
  [[nodiscard]] wire::proxymap::Reply ask_local(const wire::proxymap::Request& request,
                                                Table& table);
  [[nodiscard]] wire::proxymap::Reply walk(const wire::proxymap::Request& request,
                                           const Table& table, Client::Walk& walk);
  [[nodiscard]] std::optional<wire::proxymap::Reply> ask_worker(
      const wire::proxymap::Request& request, const Table& table, Client& client);
  [[nodiscard]] AnswerCache* cache_of(const std::string& table);
  void settle_ending(Table& table, maps::Map& map, std::string_view key);
  void record_outcome(const std::string& table, wire::proxymap::Operation operation,
                      wire::proxymap::Status status, std::string_view detail);
  void every_second();

  event::Loop& loop_;
  ServiceSettings settings_;
  AllowList& allow_list_;
  Tables& tables_;
  process::Pool& pool_;
  Counters& counters_;
  Report report_;
  std::unordered_map<std::string, AnswerCache> caches_;
  std::unordered_map<std::string, Trouble> troubles_;  // tables that cannot answer
  std::string last_notice_;
  std::unordered_map<std::string, std::int64_t> refusals_;  // reported lately
  std::shared_ptr<const void> walks_ = std::make_shared<char>();
  std::string folded_;  // what the last reply's views point into
  std::string key_;
  WorkerAnswer answer_;
  event::Loop::Owned second_;
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_SERVICE_H_
