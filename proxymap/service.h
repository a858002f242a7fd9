// SPDX-License-Identifier: 0BSD
// proxymap/service.h - one request in, one reply out, at once or later.
//
// The allow-list is asked before anything is touched.  Local tables are asked here; networked ones
// by a worker, so that nobody waits for another's slow table.
//
// Threads: none; one Loop.  Blocking: what a local file takes.
// Manual: qmail-proxymap(8).  Tests: tests/proxymap/service_test.cc
#ifndef QV_PROXYMAP_SERVICE_H_
#define QV_PROXYMAP_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "event/loop.h"
#include "process/pool.h"
#include "proxymap/allow_list.h"
#include "proxymap/answer_cache.h"
#include "proxymap/counters.h"
#include "proxymap/event.h"
#include "proxymap/job.h"
#include "proxymap/tables.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

struct ServiceSettings {
  bool writes = false;  // the read-write service: update and delete are allowed
  std::int64_t max_idle_us = 100'000'000;
  std::size_t max_walks = 8;  // walks over a table at a time, each with a map of its own
  std::unordered_map<std::string, CacheLimits> caches;  // by table
};

// A client's walk over a table (sequence requests); part of its session.
class Walk {
 public:
  Walk() = default;
  ~Walk();
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

 private:
  friend class Service;
  void end();
  std::string table_;
  std::unique_ptr<Map> map_;
  std::size_t* walks_ = nullptr;  // the service's count of them
};

// Where an answer goes that comes later.
class Asker {
 public:
  virtual ~Asker() = default;
  virtual void on_reply(const Reply& reply) = 0;
};

class Service {
 public:
  enum class Done : std::uint8_t { now, later };

  // REQUIRES: everything outlives the service.
  Service(Loop& loop, const ServiceSettings& settings, AllowList& allow_list, Tables& tables,
          process::Pool& pool, Counters& counters, Tell tell);

  // now: `reply` is the answer, its views good until the next call.  later: on_reply() will be
  // called once, unless cancel(ticket) comes first.  `client` is named in events.
  [[nodiscard]] Done ask(const Request& request, Asker& asker, Walk& walk, int client, Reply& reply,
                         process::Pool::Ticket& ticket);
  void cancel(process::Pool::Ticket ticket) { pool_.cancel(ticket); }

  // SIGHUP: the allow-list at once; answers that were kept are forgotten.
  void reload(std::unordered_map<std::string, CacheLimits> caches);

  // What an open table has to say of itself; told, and not said again as trouble.
  void notice(std::string_view text);

  [[nodiscard]] Counters& counters() { return counters_; }
  void tell(const Event& event) const { tell_(event); }

 private:
  struct Trouble {
    std::string detail;
    std::int64_t told_us = 0;
    bool told = false;  // here; else a notice had said it already
  };

  [[nodiscard]] Table* approved(const Request& request, int client);
  [[nodiscard]] bool told_lately(std::string what);
  void refuse(const Request& request, int client);
  [[nodiscard]] bool allowed(const Request& request, const Table& table, int client);
  [[nodiscard]] Reply open(const Request& request, Table& table);
  [[nodiscard]] Reply local(const Request& request, Table& table);
  [[nodiscard]] Reply sequence(const Request& request, Table& table, Walk& walk);
  [[nodiscard]] Done networked(const Request& request, Table& table, Asker& asker, Reply& reply,
                               process::Pool::Ticket& ticket);
  [[nodiscard]] Status start_walk(const Table& table, Walk& walk);
  [[nodiscard]] AnswerCache* cache_of(const Table& table);
  [[nodiscard]] bool find_kept(const Table& table, std::string_view key, Reply& reply);
  void keep(const std::string& table, const std::string& key, const JobAnswer& answer);
  [[nodiscard]] std::string_view fold(const Request& request, const Table& table);
  void note_request(const Request& request, Table& table) const;
  void settle_ending(Table& table, Map& map, std::string_view key);
  [[nodiscard]] static std::uint32_t reply_flags(const Request& request, KeyEnding ending,
                                                 Status status);
  void note_outcome(const std::string& table, Operation operation, Status status,
                    std::string_view detail);
  void note_failure(const std::string& table, Operation operation, const Error& error,
                    const Map& map);
  void every_second();

  Loop& loop_;
  ServiceSettings settings_;
  AllowList& allow_list_;
  Tables& tables_;
  process::Pool& pool_;
  Counters& counters_;
  Tell tell_;
  std::unordered_map<std::string, AnswerCache> caches_;
  std::unordered_map<std::string, Trouble> troubles_;  // tables that cannot answer
  std::string last_notice_;
  std::unordered_map<std::string, std::int64_t> refusals_;  // told of lately
  std::string folded_;
  std::string key_;
  std::string value_;
  std::size_t walks_ = 0;
  Loop::Owned second_;
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_SERVICE_H_
