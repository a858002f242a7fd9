// SPDX-License-Identifier: 0BSD
#include "proxymap/service.h"

#include <gtest/gtest.h>

#include "tests/proxymap/fixture.h"

namespace qv::proxymap {
namespace {

constexpr std::int64_t kSecond = 1000000;
const char kSlow[] = "unix:passwd.byname";  // of a type that may wait

class ServiceTest : public ProxyTest {
 protected:
  ServiceTest() {
    approve(std::string("proxy:cdb:/x proxy:lmdb:/w proxy:regexp:/r proxy:tcp:h:1 proxy:") + kSlow);
    data["cdb:/x"].entries = {{"key", "value"}};
    data["regexp:/r"].pattern = true;
  }
  wire::proxymap::Reply update(std::string_view table, std::string_view key,
                               std::string_view value) {
    return ask({.operation = wire::proxymap::Operation::update,
                .table = table,
                .key = key,
                .value = value});
  }
  wire::proxymap::Reply sequence(std::string_view table, bool next) {
    return ask({.operation = wire::proxymap::Operation::sequence, .table = table, .next = next});
  }
};

TEST_F(ServiceTest, FindsAndDoesNotFind) {
  start();
  const wire::proxymap::Reply found = lookup("cdb:/x", "key");
  EXPECT_EQ(found.status, wire::proxymap::Status::ok);
  EXPECT_EQ(found.value, "value");
  EXPECT_EQ(lookup("cdb:/x", "other").status, wire::proxymap::Status::no_key);
  EXPECT_EQ(lookup("cdb:/x", "").status, wire::proxymap::Status::no_key);
  EXPECT_EQ(opened, (std::vector<std::string>{"cdb:/x"}));
}

TEST_F(ServiceTest, TouchesNoTableThatIsNotApproved) {
  start();
  EXPECT_EQ(lookup("cdb:/etc/x", "key").status, wire::proxymap::Status::deny);
  EXPECT_EQ(ask({.operation = wire::proxymap::Operation::open, .table = "cdb:/etc/x"}).status,
            wire::proxymap::Status::deny);
  EXPECT_TRUE(opened.empty());
  EXPECT_EQ(tables->size(), 0u);
}

TEST_F(ServiceTest, SaysOnceWhatWouldApproveATable) {
  start();
  static_cast<void>(lookup("cdb:/etc/x", "key"));
  static_cast<void>(lookup("cdb:/etc/x", "other"));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, EventKind::refused);
  EXPECT_EQ(told[0].file, list_path);
  EXPECT_EQ(told[0].line, "proxy:cdb:/etc/x");
  loop.advance_us(62 * kSecond);
  static_cast<void>(lookup("cdb:/etc/x", "key"));
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(ServiceTest, ATableTakenOffTheListIsRefusedAtOnce) {
  start();
  EXPECT_EQ(lookup("cdb:/x", "key").status, wire::proxymap::Status::ok);
  approve("proxy:lmdb:/w");
  loop.advance_us(kSecond);
  EXPECT_EQ(lookup("cdb:/x", "key").status, wire::proxymap::Status::deny);
  EXPECT_EQ(tables->size(), 0u);
}

TEST_F(ServiceTest, TellsTroubleFromAbsence) {
  start();
  data["cdb:/x"].broken = true;
  data["cdb:/x"].fault = {Fault::retry, 5, "read"};
  EXPECT_EQ(lookup("cdb:/x", "other").status, wire::proxymap::Status::retry);
  data["cdb:/x"].fault = {Fault::config, 2, "open"};
  EXPECT_EQ(lookup("cdb:/x", "other").status, wire::proxymap::Status::config);
}

TEST_F(ServiceTest, SaysOnceThatATableIsInTroubleAndOnceThatItIsBack) {
  start();
  data["cdb:/x"].broken = true;
  for (int i = 0; i < 3; ++i) static_cast<void>(lookup("cdb:/x", "key"));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, EventKind::trouble);
  EXPECT_EQ(told[0].status, "retry");
  EXPECT_EQ(told[0].detail, "it is broken");
  data["cdb:/x"].broken = false;
  for (int i = 0; i < 3; ++i) static_cast<void>(lookup("cdb:/x", "key"));
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1].kind, EventKind::recovered);
}

TEST_F(ServiceTest, DoesNotRepeatWhatTheTableSaidItself) {
  start();
  service->notice("cdb:/x: it is broken");
  data["cdb:/x"].broken = true;
  static_cast<void>(lookup("cdb:/x", "key"));
  EXPECT_EQ(told.size(), 1u);
}

TEST_F(ServiceTest, AValueWithANulIsNotCutShort) {
  start();
  data["cdb:/x"].entries["nul"] = std::string("a\0b", 3);
  const wire::proxymap::Reply reply = lookup("cdb:/x", "nul");
  EXPECT_EQ(reply.status, wire::proxymap::Status::config);
  EXPECT_EQ(reply.value, "");
}

TEST_F(ServiceTest, FoldsKeysWhereAsked) {
  start();
  EXPECT_EQ(lookup("cdb:/x", "KEY").status, wire::proxymap::Status::no_key);
  EXPECT_EQ(lookup("cdb:/x", "KEY", wire::proxymap::flag::kFoldFixed).status,
            wire::proxymap::Status::ok);
  EXPECT_EQ(lookup("cdb:/x", "KEY", wire::proxymap::flag::kFoldPattern).status,
            wire::proxymap::Status::no_key);
  data["regexp:/r"].entries = {{"key", "v"}};
  EXPECT_EQ(lookup("regexp:/r", "KEY", wire::proxymap::flag::kFoldFixed).status,
            wire::proxymap::Status::no_key);
  EXPECT_EQ(lookup("regexp:/r", "KEY", wire::proxymap::flag::kFoldPattern).status,
            wire::proxymap::Status::ok);
}

TEST_F(ServiceTest, TheReadServiceDoesNotWrite) {
  start();
  EXPECT_EQ(update("lmdb:/w", "k", "v").status, wire::proxymap::Status::deny);
  EXPECT_EQ(
      ask({.operation = wire::proxymap::Operation::erase, .table = "lmdb:/w", .key = "k"}).status,
      wire::proxymap::Status::deny);
  EXPECT_TRUE(data["lmdb:/w"].entries.empty());
  EXPECT_EQ(told[0].kind, EventKind::not_allowed);
}

TEST_F(ServiceTest, TheWriteServiceWrites) {
  settings.writes = true;
  start();
  EXPECT_EQ(update("lmdb:/w", "k", "v").status, wire::proxymap::Status::ok);
  EXPECT_EQ(update("lmdb:/w", "k", "v2").status, wire::proxymap::Status::ok);
  EXPECT_EQ(lookup("lmdb:/w", "k").value, "v2");
  const wire::proxymap::Request erase{
      .operation = wire::proxymap::Operation::erase, .table = "lmdb:/w", .key = "k"};
  EXPECT_EQ(ask(erase).status, wire::proxymap::Status::ok);
  EXPECT_EQ(ask(erase).status, wire::proxymap::Status::no_key);
}

TEST_F(ServiceTest, AKeyTheTableCannotHoldIsNoRefusal) {
  settings.writes = true;
  start();
  data["lmdb:/w"].broken = true;
  data["lmdb:/w"].fault = {Fault::denied, 22, "key"};
  EXPECT_EQ(update("lmdb:/w", "k", "v").status, wire::proxymap::Status::config);
  data["lmdb:/w"].fault = {Fault::denied, 0, "no such thing"};
  EXPECT_EQ(update("lmdb:/w", "k", "v").status, wire::proxymap::Status::deny);
}

TEST_F(ServiceTest, WalksOverATable) {
  data["cdb:/x"].entries = {{"a", "1"}, {"b", "2"}};
  start();
  wire::proxymap::Reply reply = sequence("cdb:/x", true);  // without a first: begins
  EXPECT_EQ(reply.key, "a");
  reply = sequence("cdb:/x", true);
  EXPECT_EQ(reply.key, "b");
  EXPECT_EQ(reply.value, "2");
  reply = sequence("cdb:/x", true);
  EXPECT_EQ(reply.status, wire::proxymap::Status::no_key);
  EXPECT_EQ(reply.key, "");
  reply = sequence("cdb:/x", false);
  EXPECT_EQ(reply.key, "a");
}

TEST_F(ServiceTest, WalksAreCounted) {
  settings.max_walks = 1;
  start();
  EXPECT_EQ(sequence("cdb:/x", false).status, wire::proxymap::Status::ok);
  Client other;
  const wire::proxymap::Request request{.operation = wire::proxymap::Operation::sequence,
                                        .table = "cdb:/x"};
  EXPECT_EQ(service->ask(request, other).value().status, wire::proxymap::Status::retry);
  EXPECT_EQ(sequence("cdb:/x", true).status,
            wire::proxymap::Status::no_key);  // ends the first walk
  EXPECT_EQ(service->ask(request, other).value().status, wire::proxymap::Status::ok);
}

TEST_F(ServiceTest, NetworkedTablesAreNotListed) {
  start();
  EXPECT_EQ(sequence(kSlow, false).status, wire::proxymap::Status::deny);
}

TEST_F(ServiceTest, TablesWithoutAuthenticationAreNotForEverybody) {
  start();
  EXPECT_EQ(lookup("tcp:h:1", "k", 1u << 13).status, wire::proxymap::Status::deny);
}

TEST_F(ServiceTest, ANetworkedTableIsAskedByAWorker) {
  start();
  static_cast<void>(lookup(kSlow, "root", wire::proxymap::flag::kNoSubstitution));
  ASSERT_TRUE(is_late);
  EXPECT_TRUE(opened.empty());
  const wire::proxymap::Request job = job_at(0);
  EXPECT_EQ(job.table, kSlow);
  EXPECT_EQ(job.key, "root");
  EXPECT_EQ(job.flags, wire::proxymap::flag::kNoSubstitution);
  worker_answers(0, {wire::proxymap::Status::ok, "root:x:0", ""});
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].status, wire::proxymap::Status::ok);
  EXPECT_EQ(late[0].value, "root:x:0");
}

TEST_F(ServiceTest, OpeningANetworkedTableWaitsForNobody) {
  start();
  const wire::proxymap::Reply reply =
      ask({.operation = wire::proxymap::Operation::open, .table = kSlow});
  EXPECT_FALSE(is_late);
  EXPECT_EQ(reply.status, wire::proxymap::Status::ok);
  EXPECT_EQ(reply.flags, 16u);
  EXPECT_TRUE(fake.workers.empty());
}

TEST_F(ServiceTest, OverflowIsAnsweredAtOnce) {
  pool_settings.per_lane = 1;
  pool_settings.lane_queue = 1;
  start();
  static_cast<void>(lookup(kSlow, "a"));
  static_cast<void>(lookup(kSlow, "b"));
  static_cast<void>(lookup(kSlow, "c"));
  fake.turn();
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].status, wire::proxymap::Status::retry);
  EXPECT_EQ(lookup("cdb:/x", "key").status, wire::proxymap::Status::ok);
}

TEST_F(ServiceTest, KeepsAnswersWhereTold) {
  settings.caches[kSlow] = {.time_us = 10 * kSecond, .bytes = 10000};
  start();
  static_cast<void>(lookup(kSlow, "root"));
  static_cast<void>(job_at(0));
  worker_answers(0, {wire::proxymap::Status::ok, "root:x:0", ""});
  EXPECT_EQ(lookup(kSlow, "root").value, "root:x:0");
  EXPECT_FALSE(is_late);
  EXPECT_EQ(counters.cache_hits, 1u);
  loop.advance_us(10 * kSecond);
  static_cast<void>(lookup(kSlow, "root"));
  EXPECT_TRUE(is_late);
}

TEST_F(ServiceTest, NeverKeepsTrouble) {
  settings.caches[kSlow] = {.time_us = 10 * kSecond, .bytes = 10000};
  start();
  static_cast<void>(lookup(kSlow, "root"));
  static_cast<void>(job_at(0));
  worker_answers(0, {wire::proxymap::Status::retry, "", "down"});
  EXPECT_EQ(late[0].status, wire::proxymap::Status::retry);
  static_cast<void>(lookup(kSlow, "root"));
  EXPECT_TRUE(is_late);
}

TEST_F(ServiceTest, CountsWhatItDoes) {
  start();
  static_cast<void>(lookup("cdb:/x", "key"));
  static_cast<void>(lookup("cdb:/x", "none"));
  static_cast<void>(lookup("cdb:/y", "none"));
  EXPECT_EQ(counters.requests[wire::proxymap::Operation::lookup], 3u);
  EXPECT_EQ(counters.replies[wire::proxymap::Status::ok], 1u);
  EXPECT_EQ(counters.replies[wire::proxymap::Status::no_key], 1u);
  EXPECT_EQ(counters.replies[wire::proxymap::Status::deny], 1u);
}

}  // namespace
}  // namespace qv::proxymap
