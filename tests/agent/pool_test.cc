// SPDX-License-Identifier: 0BSD
// The pool of agents, with agents that the test plays, so that they can lie.
#include "agent/pool.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/file.h"
#include "process/memory_file.h"
#include "tests/fakes/fake_spawner.h"

namespace qv::agent {
namespace {

using process::as_bytes;
using process::Notice;

constexpr HomeOwner kOwner{"p:joe", 1, 1, "/h"};

class LyingAgent : public testing::Test {
 protected:
  LyingAgent() {
    process::PoolSettings settings;
    settings.workers = 1;
    pool_ = std::make_unique<Pool>(loop_, fake_.spawner(), settings,
                                   [this](Notice notice, pid_t, int) { ++notices_[notice]; });
  }

  void ask() { ask(home_file_request(kOwner, ".qmail", Contents::wanted).value()); }
  void ask_table() {
    const std::string_view keys[] = {"a", "b"};
    ask(home_table_request(kOwner, {"t.cdb", maps::TableKind::vpasswd, keys}).value());
  }
  void ask(const Request& request) {
    pool_->ask(request, [this](Result<Reply> result) { answer_.emplace(std::move(result)); });
    EXPECT_TRUE(validate(fake_.request_at(0).body).ok());
  }
  void respond(const Response& response, const Fd& file = Fd()) {
    fake_.answer(0, process::as_bytes(response), file.get());
  }
  // Whether the pool took the agent for a liar: killed it, answered nobody, and asks another one.
  void expect_killed() {
    EXPECT_EQ(notices_[Notice::worker_garbled], 1);
    EXPECT_FALSE(answer_.has_value());
    EXPECT_TRUE(fake_.workers[0].is_killed);
    EXPECT_TRUE(validate(fake_.request_at(1).body).ok());
  }

  FakeLoop loop_;
  process::FakeSpawner fake_{loop_};
  std::map<Notice, int> notices_;
  std::optional<Result<Reply>> answer_;
  std::unique_ptr<Pool> pool_;
};

Response found(std::uint8_t has_file) {
  Response response;
  response.outcome = Outcome::found;
  response.has_file = has_file;
  return response;
}

Fd sealed_file() {
  Fd file = process::open_memory_file("t").value();
  EXPECT_TRUE(write_all(file.get(), "text").ok());
  EXPECT_TRUE(process::seal(file).ok());
  return file;
}

TEST_F(LyingAgent, AnHonestOneIsBelieved) {
  ask();
  EXPECT_EQ(fake_.workers[0].subject, "p:joe");
  respond(found(1), sealed_file());
  ASSERT_TRUE(answer_.has_value());
  ASSERT_TRUE(answer_->ok());
  EXPECT_TRUE(answer_->value().file.valid());
  EXPECT_EQ(pool_->idle(), 1U);
}

TEST_F(LyingAgent, AFaultKeepsItsErrno) {
  ask();
  Response response;
  response.failed = 1;
  response.fault = Fault::config;
  response.errnum = ELOOP;
  respond(response);
  ASSERT_TRUE(answer_.has_value());
  ASSERT_FALSE(answer_->ok());
  EXPECT_EQ(answer_->error().fault, Fault::config);
  EXPECT_EQ(answer_->error().errnum, ELOOP);
}

TEST_F(LyingAgent, LoginNamesAreForAnAgentOfNobody) {
  ask(passwd_user_request("joe").value());
  EXPECT_EQ(fake_.workers[0].subject, "");
}

// It could be cut short while the front has it mapped.
TEST_F(LyingAgent, AFileThatIsNotSealed) {
  ask();
  respond(found(1), process::open_memory_file("t").value());
  expect_killed();
}

TEST_F(LyingAgent, AFileThatIsNone) {
  ask();
  respond(found(1), open_read("/dev/null").value());
  expect_killed();
}

TEST_F(LyingAgent, AKeyNobodyAskedFor) {
  ask();
  Response response = found(0);
  response.key = 1;
  respond(response);
  expect_killed();
}

TEST_F(LyingAgent, MoreKeysThanWereAskedFor) {
  ask_table();
  Response response = found(0);
  response.key = 3;
  respond(response);
  expect_killed();
}

// The front wants nothing of a table but the answer.
TEST_F(LyingAgent, ACopyInPlaceOfAnAnswer) {
  ask_table();
  respond(found(1), sealed_file());
  expect_killed();
}

TEST_F(LyingAgent, AKeyFromAnHonestOne) {
  ask_table();
  Response response = found(0);
  response.key = 2;
  response.mailbox = maps::Mailbox::bounces;
  respond(response);
  ASSERT_TRUE(answer_.has_value());
  ASSERT_TRUE(answer_->ok());
  EXPECT_EQ(answer_->value().table.answer, maps::Answer::found);
  EXPECT_EQ(answer_->value().table.key, 1);
  EXPECT_EQ(answer_->value().table.mailbox, maps::Mailbox::bounces);
}

TEST_F(LyingAgent, AFileThatIsNotThere) {
  ask();
  respond(found(1));
  expect_killed();
}

TEST_F(LyingAgent, AFileNobodySpokeOf) {
  ask();
  respond(found(0), sealed_file());
  expect_killed();
}

TEST_F(LyingAgent, Noise) {
  ask();
  const Response response = found(0);
  fake_.answer(0, std::string(process::as_bytes(response)) + "x");
  expect_killed();
}

// A home that hangs holds up one lane; names and the password file have their own.
TEST_F(LyingAgent, EachAccountIsALane) {
  process::PoolSettings settings;
  settings.workers = 4;
  settings.per_lane = 1;
  process::FakeSpawner fake{loop_};
  Pool pool(loop_, fake.spawner(), settings, nullptr);
  const auto ignore = [](const Result<Reply>&) {};
  for (int i = 0; i < 2; ++i) {
    pool.ask(home_file_request(kOwner, ".qmail", Contents::wanted).value(), ignore);
    pool.ask(home_file_request({"p:ann", 2, 2, "/a"}, ".qmail", Contents::wanted).value(), ignore);
    pool.ask(passwd_user_request("joe").value(), ignore);
    pool.ask(passwd_index_request(control::FileStamp{}), ignore);
  }
  fake.turn();
  EXPECT_EQ(fake.workers.size(), 4U);
  EXPECT_EQ(pool.waiting(), 4U);
}

}  // namespace
}  // namespace qv::agent
