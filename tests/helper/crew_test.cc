// SPDX-License-Identifier: 0BSD
// The pool with a keeper and workers that this test plays, so that they can lie.
#include <errno.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/file.h"
#include "helper/channel.h"
#include "helper/memory_file.h"
#include "helper/pool.h"
#include "tests/fakes/fake_helper.h"

namespace qv::helper {
namespace {

class LyingHelper : public testing::Test, public FakeHelper {
 protected:
  LyingHelper() {
    PoolSettings settings;
    settings.workers = 1;
    pool_ = std::make_unique<Pool>(loop_, keeper(), settings,
                                   [this](Notice notice, pid_t, int) { ++notices_[notice]; });
  }

  void ask() { ask(home_file_request(1, 1, "/h", ".qmail", Contents::wanted).value()); }
  void ask_table() {
    const std::string_view keys[] = {"a", "b"};
    ask(home_table_request(1, 1, "/h", {"t.cdb", TableKind::vpasswd, keys}).value());
  }
  void ask(const Request& request) {
    pool_->ask(request, [this](Result<Reply> result) { answer_.emplace(std::move(result)); });
  }
  // Whether the pool took the worker for a liar: killed it, and answered nobody.
  void expect_killed() {
    EXPECT_EQ(notices_[Notice::worker_garbled], 1);
    EXPECT_FALSE(answer_.has_value());
    const Order order = next_order();
    EXPECT_EQ(order.command, Command::kill);
    EXPECT_EQ(order.worker, number_);
    // The request is tried once more, on another one.
    EXPECT_EQ(next_order().command, Command::start);
  }

  std::map<Notice, int> notices_;
  std::optional<Result<Reply>> answer_;
  std::unique_ptr<Pool> pool_;
};

Response found_for(const Request& request, Attached has_file) {
  Response response;
  response.serial = request.serial;
  response.outcome = Outcome::found;
  response.has_file = has_file;
  return response;
}

Fd sealed_file() {
  Fd file = open_memory_file("t").value();
  EXPECT_TRUE(write_all(file.get(), "text").ok());
  EXPECT_TRUE(seal(file).ok());
  return file;
}

TEST_F(LyingHelper, AnHonestOneIsBelieved) {
  ask();
  start_ordered();
  respond(as_bytes(found_for(taken(), Attached::sealed_copy)), sealed_file().get());
  ASSERT_TRUE(answer_.has_value());
  ASSERT_TRUE(answer_->ok());
  EXPECT_TRUE(answer_->value().file.valid());
  EXPECT_EQ(pool_->counts().idle, 1U);
}

// It could be cut short while the front has it mapped.
TEST_F(LyingHelper, AFileThatIsNotSealed) {
  ask();
  start_ordered();
  respond(as_bytes(found_for(taken(), Attached::sealed_copy)), open_memory_file("t").value().get());
  expect_killed();
}

TEST_F(LyingHelper, AFileThatIsNone) {
  ask();
  start_ordered();
  respond(as_bytes(found_for(taken(), Attached::sealed_copy)), worker_.get());
  expect_killed();
}

TEST_F(LyingHelper, AKeyNobodyAskedFor) {
  ask();
  start_ordered();
  Response response = found_for(taken(), Attached::nothing);
  response.key = 1;
  respond(as_bytes(response));
  expect_killed();
}

TEST_F(LyingHelper, MoreKeysThanWereAskedFor) {
  ask_table();
  start_ordered();
  Response response = found_for(taken(), Attached::nothing);
  response.key = 3;
  respond(as_bytes(response));
  expect_killed();
}

// The front wants nothing of a table but the answer.
TEST_F(LyingHelper, ACopyInPlaceOfAnAnswer) {
  ask_table();
  start_ordered();
  respond(as_bytes(found_for(taken(), Attached::sealed_copy)), sealed_file().get());
  expect_killed();
}

TEST_F(LyingHelper, AKeyFromAnHonestOne) {
  ask_table();
  start_ordered();
  Response response = found_for(taken(), Attached::nothing);
  response.key = 2;
  response.mailbox = Mailbox::bounces;
  respond(as_bytes(response));
  ASSERT_TRUE(answer_.has_value());
  ASSERT_TRUE(answer_->ok());
  EXPECT_EQ(answer_->value().table.answer, Answer::found);
  EXPECT_EQ(answer_->value().table.key, 1);
  EXPECT_EQ(answer_->value().table.mailbox, Mailbox::bounces);
}

TEST_F(LyingHelper, AFileThatIsNotThere) {
  ask();
  start_ordered();
  respond(as_bytes(found_for(taken(), Attached::sealed_copy)));
  expect_killed();
}

TEST_F(LyingHelper, AFileNobodySpokeOf) {
  ask();
  start_ordered();
  respond(as_bytes(found_for(taken(), Attached::nothing)), sealed_file().get());
  expect_killed();
}

TEST_F(LyingHelper, AnotherRequestsAnswer) {
  ask();
  start_ordered();
  Response other = found_for(taken(), Attached::nothing);
  other.serial += 1;
  respond(as_bytes(other));
  expect_killed();
}

TEST_F(LyingHelper, Noise) {
  ask();
  start_ordered();
  const Response response = found_for(taken(), Attached::nothing);
  respond(std::string(as_bytes(response)) + "x");
  expect_killed();
}

TEST_F(LyingHelper, AnAnswerToNothing) {
  ask();
  start_ordered();
  const Response response = found_for(taken(), Attached::nothing);
  respond(as_bytes(response));
  answer_.reset();
  respond(as_bytes(response));
  EXPECT_EQ(notices_[Notice::worker_garbled], 1);
  EXPECT_FALSE(answer_.has_value());
  EXPECT_EQ(next_order().command, Command::kill);
}

TEST_F(LyingHelper, AKeeperThatStartsWhatNobodyOrdered) {
  ask();
  News news;
  news.worker = 77;
  tell(news, keeper_.get());
  EXPECT_FALSE(pool_->alive());
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->error().errnum, EPIPE);
}

TEST_F(LyingHelper, AKeeperThatTalksNonsense) {
  ask();
  News news;
  news.magic = 0;
  tell(news);
  EXPECT_FALSE(pool_->alive());
  EXPECT_EQ(notices_[Notice::keeper_gone], 1);
}

TEST_F(LyingHelper, AKeeperThatBuriesTheUnknown) {
  News news;
  news.event = Event::ended;
  news.worker = 77;
  tell(news);
  news.event = Event::refused;
  tell(news);
  EXPECT_TRUE(pool_->alive());
}

}  // namespace
}  // namespace qv::helper
