// SPDX-License-Identifier: 0BSD
#include "lmtp/processes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "deliver/packets.h"
#include "tests/fakes/fake_loop.h"

namespace qv::lmtp {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

// The test plays the broker and the writers.
class ProcessesTest : public testing::Test {
 protected:
  ProcessesTest() {
    settings_.writer_limit = 8;
    settings_.mailbox_concurrency = 2;
    settings_.time_limit = 100;
    auto pair = packet_pair();
    EXPECT_TRUE(pair.ok());
    broker_ = std::move(pair.value().first);
    broker_number_ = pair.value().second.get();
    processes_.emplace(loop_, settings_, counters_, std::move(pair.value().second),
                       [this] { ++lost_; });
  }
  struct TestWriter {
    Fd ours;
    int number = -1;  // of the other end, in the class under test
  };

  static Job job_for(const std::string& name, uid_t uid) {
    Job job;
    job.envelope = {"a@x", name + "@y", name + "@y"};
    job.mailbox = {"/mail/" + name + "/", "", uid, uid, {}};
    return job;
  }
  // What came over a socket, or "" where nothing did.
  static std::string take(const Fd& socket) {
    std::string packet;
    Fd message;
    EXPECT_EQ(fcntl(socket.get(), F_SETFL, O_RDWR | O_NONBLOCK), 0);
    return receive_packet(socket.get(), packet, message) ? packet : "";
  }
  void deliver(const std::string& name, uid_t uid) {
    const std::size_t index = outcomes_.size();
    outcomes_.emplace_back();
    processes_->deliver(job_for(name, uid), 0, [this, index](const Outcome& outcome) {
      outcomes_[index] = outcome.code + (outcome.text.empty() ? "" : " " + outcome.text);
    });
  }
  // Answers the broker's next request, which is to be this one.
  void answer(const std::string& request, const BrokerReply& reply, int passed = -1) {
    ASSERT_EQ(take(broker_), request);
    ASSERT_TRUE(send_packet(broker_.get(), encode_reply(reply), passed));
    loop_.make_readable(broker_number_);
  }
  TestWriter start_writer(const std::string& name, uid_t uid) {
    auto pair = packet_pair();
    BrokerReply reply{done(0), job_for(name, uid).mailbox, static_cast<pid_t>(4000 + uid)};
    const int passed = pair.value().second.get();
    TestWriter writer{std::move(pair.value().first), -1};
    // Descriptors are given out from the lowest.
    const Fd next(dup(0));
    writer.number = next.get();
    const_cast<Fd&>(next).reset();
    answer("h" + name + "@y", reply, passed);
    return writer;
  }
  // The writer has this job and ends it.
  void end(const TestWriter& writer, const std::string& name, const Outcome& outcome = done(1)) {
    const std::string packet = take(writer.ours);
    ASSERT_FALSE(packet.empty());
    EXPECT_EQ(packet.front(), kDeliver);
    EXPECT_EQ(decode_job(packet.substr(1))->envelope.recipient, name + "@y");
    ASSERT_TRUE(send_packet(writer.ours.get(), encode_outcome(outcome)));
    loop_.make_readable(writer.number);
  }
  void die(TestWriter& writer) {
    writer.ours.reset();
    loop_.make_readable(writer.number);
  }
  static std::vector<std::string> done_for(std::size_t count) {
    return std::vector<std::string>(count, "2.0.0 delivered");
  }

  FakeLoop loop_;
  DeliverSettings settings_;
  Counters counters_;
  Fd broker_;
  int broker_number_ = -1;
  int lost_ = 0;
  std::optional<Processes> processes_;
  std::vector<std::string> outcomes_;
};

TEST_F(ProcessesTest, FindsByAskingTheBrokerInOrder) {
  std::vector<std::string> found;
  for (const char* name : {"bob@y", "mary@y"}) {
    EXPECT_NE(processes_->find(name,
                               [&found](const Outcome& outcome, const Mailbox& mailbox) {
                                 found.push_back(outcome.code + mailbox.path);
                               }),
              0u);
  }
  EXPECT_TRUE(found.empty());
  answer("fbob@y", {done(0), {"/mail/bob/", "", 5, 5, {}}, 0});
  answer("fmary@y", {refuse("5.1.1", "no"), {}, 0});
  EXPECT_EQ(found, (std::vector<std::string>{"2.0.0/mail/bob/", "5.1.1"}));
}

TEST_F(ProcessesTest, AWriterIsKeptForTheNextJobOfItsAccount) {
  deliver("bob", 5);
  const TestWriter writer = start_writer("bob", 5);
  end(writer, "bob");
  deliver("mary", 5);
  end(writer, "mary", retry("4.2.0", "locked"));
  EXPECT_EQ(take(broker_), "");
  EXPECT_EQ(outcomes_, (std::vector<std::string>{"2.0.0 delivered", "4.2.0 locked"}));
  EXPECT_EQ(counters_.workers_started, 1u);
  deliver("joe", 6);
  end(start_writer("joe", 6), "joe");
  EXPECT_EQ(processes_->writers(), 2u);
  // Nobody needs them any more.
  loop_.advance_us(40 * kSecond);
  EXPECT_EQ(processes_->writers(), 0u);
}

TEST_F(ProcessesTest, OneMailboxHasItsShareAndOthersDoNotWaitForIt) {
  for (int i = 0; i < 4; ++i) deliver("bob", 5);
  deliver("mary", 6);
  const TestWriter first = start_writer("bob", 5);
  const TestWriter second = start_writer("bob", 5);
  const TestWriter other = start_writer("mary", 6);
  EXPECT_EQ(take(broker_), "");
  end(other, "mary");
  EXPECT_EQ(take(other.ours), "");
  for (int i = 0; i < 3; ++i) end(second, "bob");
  end(first, "bob");
  EXPECT_EQ(outcomes_, done_for(5));
  EXPECT_TRUE(processes_->is_idle());
}

TEST_F(ProcessesTest, OneAccountHasAtMostHalf) {
  for (int i = 0; i < 6; ++i) deliver("box" + std::to_string(i), 5);
  deliver("joe", 6);
  std::vector<TestWriter> writers;
  for (int i = 0; i < 4; ++i) writers.push_back(start_writer("box" + std::to_string(i), 5));
  end(start_writer("joe", 6), "joe");
  EXPECT_EQ(take(broker_), "");
  end(writers[1], "box1");
  end(writers[1], "box4");
  EXPECT_FALSE(processes_->is_idle());
}

TEST_F(ProcessesTest, ThereAreSoManyAndAnIdleOneMakesRoom) {
  settings_.writer_limit = 2;
  deliver("bob", 5);
  deliver("joe", 6);
  deliver("eve", 7);
  const TestWriter bob = start_writer("bob", 5);
  const TestWriter joe = start_writer("joe", 6);
  EXPECT_EQ(take(broker_), "");
  end(bob, "bob");
  EXPECT_EQ(processes_->writers(), 2u);
  const TestWriter eve = start_writer("eve", 7);
  EXPECT_EQ(take(bob.ours), "");  // dismissed
  end(eve, "eve");
  end(joe, "joe");
  EXPECT_EQ(outcomes_, done_for(3));
}

TEST_F(ProcessesTest, RoomIsAskedWhereAWriterIsFreeForIt) {
  settings_.writer_limit = 2;
  std::string room;
  const auto told = [&room](const Outcome& outcome) { room = outcome.code; };
  EXPECT_NE(processes_->find_room(job_for("bob", 5), told), 0u);
  const TestWriter bob = start_writer("bob", 5);
  EXPECT_EQ(take(bob.ours).front(), kRoom);
  EXPECT_EQ(processes_->find_room(job_for("mary", 5), told), 0u);
  ASSERT_TRUE(send_packet(bob.ours.get(), encode_outcome(refuse("5.2.2", "full"))));
  loop_.make_readable(bob.number);
  EXPECT_EQ(room, "5.2.2");
}

TEST_F(ProcessesTest, ADeadWriterIsToldAndReplaced) {
  deliver("bob", 5);
  TestWriter writer = start_writer("bob", 5);
  die(writer);
  EXPECT_EQ(outcomes_[0], "4.3.0 delivery process died");
  EXPECT_EQ(counters_.workers_lost, 1u);
  deliver("bob", 5);
  writer = start_writer("bob", 5);
  end(writer, "bob");
  // One that died while it had nothing to do is nobody's loss.
  writer.ours.reset();
  deliver("bob", 5);
  end(start_writer("bob", 5), "bob");
  EXPECT_EQ(outcomes_[2], "2.0.0 delivered");
}

TEST_F(ProcessesTest, AnOverdueDeliveryIsGivenUpAndItsWriterKilled) {
  for (int i = 0; i < 3; ++i) deliver("bob", 5);
  TestWriter first = start_writer("bob", 5);
  const TestWriter second = start_writer("bob", 5);
  loop_.advance_us(60 * kSecond);
  end(second, "bob");
  loop_.advance_us(41 * kSecond);
  EXPECT_EQ(outcomes_,
            (std::vector<std::string>{"4.3.0 delivery took too long", "2.0.0 delivered", ""}));
  EXPECT_EQ(take(broker_), "k4005");
  EXPECT_EQ(counters_.overdue, 1u);
  end(second, "bob");
  // Until it is dead it counts: one writer for the mailbox is left.
  deliver("bob", 5);
  deliver("bob", 5);
  EXPECT_EQ(take(broker_), "");
  die(first);
  const TestWriter third = start_writer("bob", 5);
  end(third, "bob");
  end(second, "bob");
  EXPECT_TRUE(processes_->is_idle());
}

TEST_F(ProcessesTest, WhoWaitsTooLongIsToldSo) {
  for (int i = 0; i < 3; ++i) deliver("bob", 5);
  const TestWriter first = start_writer("bob", 5);
  const TestWriter second = start_writer("bob", 5);
  loop_.advance_us(101 * kSecond);
  EXPECT_EQ(outcomes_, std::vector<std::string>(3, "4.3.0 delivery took too long"));
  EXPECT_EQ(take(broker_), "k4005");
  EXPECT_EQ(take(broker_), "k4005");
}

TEST_F(ProcessesTest, WithoutALimitNothingIsGivenUp) {
  settings_.time_limit = 0;
  deliver("bob", 5);
  const TestWriter writer = start_writer("bob", 5);
  loop_.advance_us(100000 * kSecond);
  end(writer, "bob");
  EXPECT_EQ(outcomes_, done_for(1));
}

TEST_F(ProcessesTest, ABrokerThatTakesTooLongIsNotWaitedFor) {
  std::string found;
  static_cast<void>(processes_->find(
      "bob@y", [&](const Outcome& outcome, const Mailbox&) { found = outcome.code; }));
  deliver("mary", 6);
  loop_.advance_us(101 * kSecond);
  EXPECT_EQ(found, "4.3.0");
  EXPECT_EQ(outcomes_[0], "4.3.0 delivery took too long");
  // It answers after all: what nobody waits for is dropped, the writer is taken.
  answer("fbob@y", {done(0), {"/mail/bob/", "", 5, 5, {}}, 0});
  const TestWriter writer = start_writer("mary", 6);
  EXPECT_EQ(take(writer.ours), "");
  deliver("mary", 6);
  end(writer, "mary");
  EXPECT_EQ(outcomes_[1], "2.0.0 delivered");
}

TEST_F(ProcessesTest, AMailboxThatHasANewOwnerIsNotWritten) {
  deliver("bob", 5);
  auto pair = packet_pair();
  const Fd ours = std::move(pair.value().first);
  answer("hbob@y", {done(0), {"/mail/bob/", "", 6, 5, {}}, 4711}, pair.value().second.get());
  EXPECT_EQ(outcomes_[0], "4.3.0 mailbox has a new owner");
  pair.value().second.reset();
  EXPECT_EQ(take(ours), "");
  deliver("bob", 5);
  answer("hbob@y", {refuse("5.1.1", "gone"), {}, 0});
  EXPECT_EQ(outcomes_[1], "4.3.0 delivery process cannot be started");
  EXPECT_TRUE(processes_->is_idle());
}

TEST_F(ProcessesTest, WhoForgetsIsNotCalled) {
  bool called = false;
  processes_->forget(
      processes_->find("bob@y", [&called](const Outcome&, const Mailbox&) { called = true; }));
  answer("fbob@y", {done(0), {}, 0});
  const Deliveries::Ticket room =
      processes_->find_room(job_for("bob", 5), [&called](const Outcome&) { called = true; });
  processes_->forget(room);
  const TestWriter writer = start_writer("bob", 5);
  take(writer.ours);
  ASSERT_TRUE(send_packet(writer.ours.get(), encode_outcome(done(0))));
  loop_.make_readable(writer.number);
  EXPECT_FALSE(called);
  EXPECT_TRUE(processes_->is_idle());
}

TEST_F(ProcessesTest, NewSettingsMeanNewWriters) {
  deliver("bob", 5);
  deliver("joe", 6);
  const TestWriter bob = start_writer("bob", 5);
  const TestWriter joe = start_writer("joe", 6);
  end(bob, "bob");
  std::string told;
  processes_->read_settings([&told](const Outcome& outcome) { told += outcome.code; });
  answer("s", {retry("4.3.5", "mistakes"), {}, 0});
  EXPECT_EQ(processes_->writers(), 2u);
  processes_->read_settings([&told](const Outcome& outcome) { told += outcome.code; });
  answer("s", {done(0), {}, 0});
  EXPECT_EQ(told, "4.3.52.0.0");
  EXPECT_EQ(processes_->writers(), 1u);
  end(joe, "joe");
  EXPECT_EQ(processes_->writers(), 0u);
}

TEST_F(ProcessesTest, WithoutABrokerWhatIsAskedIsUndecided) {
  std::string found;
  const auto told = [&found](const Outcome& outcome, const Mailbox&) { found += outcome.code; };
  static_cast<void>(processes_->find("bob@y", told));
  for (int i = 0; i < 4; ++i) deliver("bob", 5);
  broker_.reset();
  loop_.make_readable(broker_number_);
  EXPECT_EQ(found, "4.3.0");
  EXPECT_EQ(lost_, 1);
  loop_.run();
  EXPECT_EQ(outcomes_, std::vector<std::string>(4, "4.3.0 delivery process cannot be started"));
  EXPECT_TRUE(processes_->is_idle());
  static_cast<void>(processes_->find("bob@y", told));
  EXPECT_EQ(found, "4.3.0");
  loop_.run();
  EXPECT_EQ(found, "4.3.04.3.0");
  EXPECT_EQ(lost_, 1);
}

TEST_F(ProcessesTest, ABrokerThatTalksNonsenseIsNoBroker) {
  deliver("bob", 5);
  ASSERT_TRUE(send_packet(broker_.get(), "nonsense"));
  loop_.make_readable(broker_number_);
  EXPECT_EQ(lost_, 1);
  EXPECT_EQ(outcomes_[0], "4.3.0 delivery process cannot be started");
}

TEST_F(ProcessesTest, AnyNumberOfQuestionsMayWait) {
  int answered = 0;
  for (int i = 0; i < 1000; ++i) {
    static_cast<void>(processes_->find(std::string(900, 'x'),
                                       [&answered](const Outcome&, Mailbox) { ++answered; }));
  }
  for (int i = 0; i < 1000; ++i) answer("f" + std::string(900, 'x'), {done(0), {}, 0});
  EXPECT_EQ(answered, 1000);
}

}  // namespace
}  // namespace qv::lmtp
