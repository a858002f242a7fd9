// SPDX-License-Identifier: 0BSD
#include "lmtp/worker_deliveries.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/fake_spawner.h"

namespace qv::lmtp {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

// The test plays the spawners, the table processes and the writers.
class WorkerDeliveriesTest : public testing::Test {
 protected:
  WorkerDeliveriesTest() {
    settings_.writer_limit = 8;
    settings_.mailbox_concurrency = 2;
    settings_.time_limit = 100;
    deliveries_.emplace(loop_, settings_,
                        WorkerDeliveries::Spawners{tables_.spawner(), writers_.spawner()}, nullptr);
  }

  static deliver::Job job_for(const std::string& name, uid_t uid) {
    deliver::Job job;
    job.envelope = {"a@x", name + "@y", name + "@y"};
    job.mailbox = {"/mail/" + name + "/", "", uid, uid, {}};
    return job;
  }
  void deliver(const std::string& name, uid_t uid) {
    const std::size_t index = outcomes_.size();
    outcomes_.emplace_back();
    deliveries_->deliver(job_for(name, uid), STDIN_FILENO,
                         [this, index](const deliver::Outcome& outcome) {
                           outcomes_[index] = outcome.code + " " + outcome.text;
                         });
    writers_.turn();
  }
  // The recipient that the writer at `index` has a job for; "" where it has none.
  std::string recipient_at(std::size_t index) {
    message_ = writers_.request_at(index);
    if (message_.body.empty()) return "";
    EXPECT_EQ(message_.body.front() == deliver::kDeliver, message_.file.valid());
    return deliver::decode_job(message_.body.substr(1))->envelope.recipient;
  }
  // It has that job and ends it.
  void end(std::size_t index, const std::string& name,
           const deliver::Outcome& outcome = deliver::done(1)) {
    EXPECT_EQ(recipient_at(index), name + "@y");
    writers_.answer(index, deliver::encode_outcome(outcome));
  }
  bool is_idle() const {
    return deliveries_->writers().in_flight() + deliveries_->tables().in_flight() == 0;
  }
  static std::vector<std::string> done_for(std::size_t count) {
    return std::vector<std::string>(count, "2.0.0 delivered");
  }

  FakeLoop loop_;
  process::FakeSpawner tables_{loop_};
  process::FakeSpawner writers_{loop_};
  process::Message message_;
  deliver::DeliverSettings settings_;
  std::optional<WorkerDeliveries> deliveries_;
  std::vector<std::string> outcomes_;
};

TEST_F(WorkerDeliveriesTest, FindsByAskingATableProcess) {
  std::vector<std::string> found;
  for (const char* name : {"bob@y", "mary@y", "bob@y"}) {
    EXPECT_NE(deliveries_->find(
                  name,
                  [&found](const deliver::Outcome& outcome, const deliver::Mailbox& mailbox) {
                    found.push_back(outcome.code + mailbox.path);
                  }),
              0u);
  }
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(tables_.request_at(0).body, "bob@y");
  tables_.answer(0, deliver::encode_found({deliver::done(0), {"/mail/bob/", "", 5, 5, {}}}));
  EXPECT_EQ(found.size(), 2u) << "who asks the same is answered with it";
  EXPECT_EQ(tables_.request_at(1).body, "mary@y");
  tables_.answer(1, deliver::encode_found({deliver::refuse("5.1.1", "no"), {}}));
  EXPECT_EQ(found, (std::vector<std::string>{"2.0.0/mail/bob/", "2.0.0/mail/bob/", "5.1.1"}));
}

TEST_F(WorkerDeliveriesTest, AWriterIsStartedForARecipientAndKeptForItsAccount) {
  deliver("bob", 5);
  end(0, "bob");
  EXPECT_EQ(writers_.workers[0].subject, "bob@y");
  deliver("mary", 5);
  end(0, "mary", deliver::retry("4.2.0", "locked"));
  EXPECT_EQ(outcomes_, (std::vector<std::string>{"2.0.0 delivered", "4.2.0 locked"}));
  EXPECT_EQ(deliveries_->writers().counters().workers_started, 1u);
  deliver("joe", 6);
  end(1, "joe");
  EXPECT_EQ(writers_.workers[1].subject, "joe@y");
  EXPECT_EQ(deliveries_->writers().workers(), 2u);
  // Nobody needs them any more.
  loop_.advance_us(70 * kSecond);
  EXPECT_EQ(deliveries_->writers().workers(), 0u);
}

TEST_F(WorkerDeliveriesTest, OneMailboxHasItsShareAndOthersDoNotWaitForIt) {
  for (int i = 0; i < 4; ++i) deliver("bob", 5);
  deliver("mary", 6);
  ASSERT_EQ(writers_.workers.size(), 3u);
  end(2, "mary");
  EXPECT_EQ(recipient_at(2), "");
  end(1, "bob");
  end(1, "bob");
  end(1, "bob");
  end(0, "bob");
  EXPECT_EQ(outcomes_, done_for(5));
  EXPECT_TRUE(is_idle());
}

TEST_F(WorkerDeliveriesTest, OneAccountHasAtMostHalf) {
  for (int i = 0; i < 6; ++i) deliver("box" + std::to_string(i), 5);
  deliver("joe", 6);
  ASSERT_EQ(writers_.workers.size(), 5u);
  end(4, "joe");
  end(1, "box1");
  end(1, "box4");
  EXPECT_FALSE(is_idle());
}

TEST_F(WorkerDeliveriesTest, ThereAreSoManyAndAnIdleOneMakesRoom) {
  settings_.writer_limit = 2;
  deliveries_->renew();
  deliver("bob", 5);
  deliver("joe", 6);
  deliver("eve", 7);
  ASSERT_EQ(writers_.workers.size(), 2u);
  end(0, "bob");
  EXPECT_EQ(deliveries_->writers().workers(), 2u);
  EXPECT_FALSE(process::receive_message(writers_.workers[0].socket, process::Waiting::never)
                   .error()
                   .errnum == EAGAIN)
      << "released";
  end(2, "eve");
  end(1, "joe");
  EXPECT_EQ(outcomes_, done_for(3));
}

TEST_F(WorkerDeliveriesTest, RoomIsAskedWhereAWriterIsFreeForIt) {
  settings_.writer_limit = 2;
  deliveries_->renew();
  std::string room;
  const auto told = [&room](const deliver::Outcome& outcome) { room = outcome.code; };
  EXPECT_NE(deliveries_->find_room(job_for("bob", 5), told), 0u);
  EXPECT_EQ(recipient_at(0), "bob@y");
  EXPECT_EQ(message_.body.front(), deliver::kRoom);
  EXPECT_EQ(deliveries_->find_room(job_for("mary", 5), told), 0u);
  writers_.answer(0, deliver::encode_outcome(deliver::refuse("5.2.2", "full")));
  EXPECT_EQ(room, "5.2.2");
}

TEST_F(WorkerDeliveriesTest, ADeadWriterIsToldAndReplaced) {
  deliver("bob", 5);
  EXPECT_EQ(recipient_at(0), "bob@y");
  writers_.die(0);
  EXPECT_EQ(outcomes_[0], "4.3.0 delivery process died");
  EXPECT_EQ(deliveries_->writers().counters().workers_lost, 1u);
  deliver("bob", 5);
  end(1, "bob");
  // One that died while it had nothing to do is nobody's loss.
  writers_.die(1);
  deliver("bob", 5);
  end(2, "bob");
  EXPECT_EQ(outcomes_[2], "2.0.0 delivered");
}

TEST_F(WorkerDeliveriesTest, AnOverdueDeliveryIsGivenUpAndItsWriterKilled) {
  writers_.buries = false;
  for (int i = 0; i < 3; ++i) deliver("bob", 5);
  loop_.advance_us(60 * kSecond);
  end(1, "bob");
  loop_.advance_us(41 * kSecond);
  writers_.turn();
  EXPECT_EQ(outcomes_[0], "4.3.0 delivery took too long");
  EXPECT_EQ(outcomes_[1], "2.0.0 delivered");
  EXPECT_TRUE(writers_.workers[0].is_killed);
}

// Until it is dead it counts: one writer for the mailbox is left.
TEST_F(WorkerDeliveriesTest, AWriterThatCannotDieYetCounts) {
  writers_.buries = false;
  deliver("bob", 5);
  loop_.advance_us(101 * kSecond);
  writers_.turn();
  deliver("bob", 5);
  deliver("bob", 5);
  EXPECT_EQ(writers_.workers.size(), 2u);
  writers_.tell(process::Event::ended, writers_.workers[0].number);
  writers_.turn();
  ASSERT_EQ(writers_.workers.size(), 3u);
  end(1, "bob");
  end(2, "bob");
  EXPECT_TRUE(is_idle());
}

TEST_F(WorkerDeliveriesTest, WhoWaitsTooLongIsToldSo) {
  for (int i = 0; i < 3; ++i) deliver("bob", 5);
  loop_.advance_us(101 * kSecond);
  writers_.turn();
  EXPECT_EQ(outcomes_, std::vector<std::string>(3, "4.3.0 delivery took too long"));
  EXPECT_TRUE(writers_.workers[0].is_killed);
  EXPECT_TRUE(writers_.workers[1].is_killed);
  EXPECT_EQ(deliveries_->writers().counters().overdue, 3u);
}

TEST_F(WorkerDeliveriesTest, WithoutALimitNothingIsGivenUp) {
  settings_.time_limit = 0;
  deliveries_->renew();
  deliver("bob", 5);
  loop_.advance_us(100000 * kSecond);
  end(0, "bob");
  EXPECT_EQ(outcomes_, done_for(1));
}

TEST_F(WorkerDeliveriesTest, ATableProcessThatTakesTooLongIsNotWaitedFor) {
  std::string found;
  static_cast<void>(deliveries_->find(
      "bob@y",
      [&](const deliver::Outcome& outcome, const deliver::Mailbox&) { found = outcome.code; }));
  loop_.advance_us(101 * kSecond);
  tables_.turn();
  EXPECT_EQ(found, "4.3.0");
}

TEST_F(WorkerDeliveriesTest, WhoForgetsIsNotCalled) {
  bool called = false;
  deliveries_->cancel(deliveries_->find(
      "bob@y", [&called](const deliver::Outcome&, const deliver::Mailbox&) { called = true; }));
  const Deliveries::Ticket room = deliveries_->find_room(
      job_for("bob", 5), [&called](const deliver::Outcome&) { called = true; });
  EXPECT_EQ(recipient_at(0), "bob@y");
  deliveries_->cancel(room);
  writers_.answer(0, deliver::encode_outcome(deliver::done(0)));
  EXPECT_EQ(tables_.request_at(0).body, "bob@y");
  tables_.answer(0, deliver::encode_found({deliver::done(0), {}}));
  EXPECT_FALSE(called);
  EXPECT_TRUE(is_idle());
}

TEST_F(WorkerDeliveriesTest, NewSettingsMeanNewWriters) {
  deliver("bob", 5);
  deliver("joe", 6);
  end(0, "bob");
  deliveries_->renew();
  writers_.turn();
  EXPECT_EQ(writers_.reloads, 1);
  EXPECT_EQ(deliveries_->writers().workers(), 1u);
  end(1, "joe");
  EXPECT_EQ(deliveries_->writers().workers(), 0u);
}

TEST_F(WorkerDeliveriesTest, WithoutSpawnersWhatIsAskedIsUndecided) {
  std::string found;
  const auto told = [&found](const deliver::Outcome& outcome, const deliver::Mailbox&) {
    found += outcome.code;
  };
  static_cast<void>(deliveries_->find("bob@y", told));
  for (int i = 0; i < 4; ++i) deliver("bob", 5);
  writers_.go();
  tables_.go();
  writers_.turn();
  EXPECT_EQ(found, "4.3.0");
  EXPECT_EQ(outcomes_, std::vector<std::string>(4, "4.3.0 delivery process died"));
  EXPECT_TRUE(is_idle());
  static_cast<void>(deliveries_->find("bob@y", told));
  EXPECT_EQ(found, "4.3.0");
  writers_.turn();
  EXPECT_EQ(found, "4.3.04.3.0");
}

TEST_F(WorkerDeliveriesTest, AnAnswerThatIsNoneIsNotBelieved) {
  deliver("bob", 5);
  EXPECT_EQ(recipient_at(0), "bob@y");
  writers_.answer(0, "nonsense");
  EXPECT_EQ(outcomes_[0], "4.3.0 delivery process died");
  EXPECT_TRUE(writers_.workers[0].is_killed);
}

TEST_F(WorkerDeliveriesTest, AnyNumberOfQuestionsMayWait) {
  int answered = 0;
  for (int i = 0; i < 1000; ++i) {
    static_cast<void>(deliveries_->find(
        std::to_string(i),
        [&answered](const deliver::Outcome&, const deliver::Mailbox&) { ++answered; }));
  }
  for (int i = 0; i < 1000; ++i) {
    const auto index = static_cast<std::size_t>(i) % 4;
    EXPECT_FALSE(tables_.request_at(index).body.empty());
    tables_.answer(index, deliver::encode_found({deliver::done(0), {}}));
  }
  EXPECT_EQ(answered, 1000);
}

}  // namespace
}  // namespace qv::lmtp
