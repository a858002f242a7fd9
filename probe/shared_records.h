// SPDX-License-Identifier: 0BSD
// probe/shared_records.h - the records of a fleet of hosts, in one Redis.
//
//   qv:probe:KEY     the record's bytes, for as long as they are of use (EX)
//   qv:lease:KEY     who probes for KEY now; only the one who set it takes it away
//
// What is read and written here is kept in this host's own store too.  When Redis does not answer
// that is what is asked, and nothing is probed: who else may be at it cannot be told.
//
// Threads: none.  Tests: tests/e2e/probe.py with a real Redis
#ifndef QV_PROBE_SHARED_RECORDS_H_
#define QV_PROBE_SHARED_RECORDS_H_

#include <string>

#include "event/redis_client.h"
#include "probe/records.h"

namespace qv {

class SharedRecords final : public Records {
 public:
  // `token`: what tells this process from others.  `lease_s`: longer than a probe takes.
  // REQUIRES: `redis` and `local` outlive this object.
  SharedRecords(RedisClient& redis, Records& local, std::string token, std::int64_t lease_s,
                Report report)
      : redis_(redis),
        local_(local),
        token_(std::move(token)),
        lease_s_(lease_s),
        report_(std::move(report)) {}

  void find(const std::string& key, Found found) override;
  void lease(const std::string& key, std::int64_t seconds, Leased leased) override;
  void end_lease(const std::string& key, std::function<void()> done) override;
  void store(const std::string& key, const CacheRecord& record, std::int64_t seconds) override;
  void erase(const std::string& key) override;
  void purge(std::string_view what) override;

 private:
  void on_record(const std::string& key, const Result<RedisReply>& reply, const Found& found);
  void purge_matching(const std::string& pattern, const std::string& cursor);
  void note(const Result<RedisReply>& reply);

  RedisClient& redis_;
  Records& local_;
  std::string token_;
  std::int64_t lease_s_;
  Report report_;
  bool down_ = false;
};

}  // namespace qv

#endif  // QV_PROBE_SHARED_RECORDS_H_
