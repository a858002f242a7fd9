// SPDX-License-Identifier: 0BSD
#include "verify/verifier.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/fake_spawner.h"
#include "tests/fakes/test_tree.h"

namespace qv::verify {
namespace {

constexpr std::int64_t kSecondUs = 1000000;
constexpr std::int64_t kHelperUs = 60 * kSecondUs;  // helpers are given longer than a client waits

class VerifierTest : public testing::Test {
 protected:
  VerifierTest() {
    tree_.write("control/me", "me.example\n");
    tree_.write("control/locals", "l.example\n");
    tree_.write("nsswitch.conf", "passwd: ldap\n");
    for (const int user : {1, 2, 3, 4, 5}) {
      const std::string name = "u" + std::to_string(user);
      const std::string id = std::to_string(1000 + user);
      users_.emplace_back("!" + name + "-",
                          user_record({name, id, id, "/nonexistent/" + name, "-", ""}));
    }
    users_.emplace_back("", "-");
    tree_.write_cdb("users/cdb", users_);
    options_.qmailhome = tree_.root();
    options_.cache_ttl_us = 3600 * kSecondUs;
    process::PoolSettings settings;
    settings.workers = 2;
    settings.time_limit_us = kHelperUs;
    pool_ = std::make_unique<agent::Pool>(loop_, fake_.spawner(), settings, nullptr);
    log_file_ = std::tmpfile();
    log_ = std::make_unique<process::LogWriter>(loop_, fileno(log_file_));
    verifier_ =
        std::make_unique<Verifier>(loop_, options_, *pool_, *log_, reports_to_log(*log_),
                                   PasswdPaths{tree_.path("passwd"), tree_.path("nsswitch.conf")});
    verifier_->refresh(loop_.now_us());
  }
  ~VerifierTest() override {
    verifier_.reset();
    log_.reset();
    fclose(log_file_);
  }

  // What a query was answered, by its name.
  struct Told {
    std::string name;
    rcpt::Why why;
  };
  // Counts the queries that are not gone yet.
  std::shared_ptr<void> present() {
    ++waiting_;
    return {nullptr, [this](void*) { --waiting_; }};
  }

  bool is_pending(const std::string& address) {
    return verifier_->decide(address, loop_.now_us()).pending;
  }
  rcpt::Why decided(const std::string& address) {
    const rcpt::Decision decision = verifier_->decide(address, loop_.now_us());
    EXPECT_FALSE(decision.pending) << address;
    return decision.why;
  }
  Verifier::Parked ask(const std::string& name, const std::string& address) {
    const std::int64_t now = loop_.now_us();
    rcpt::Decision pending = verifier_->decide(address, now);
    EXPECT_TRUE(pending.pending) << address;
    return verifier_->park(
        pending, {address, now, [this, name, here = present()](const rcpt::Decision& decision) {
                    EXPECT_FALSE(decision.pending);
                    told_.push_back({name, decision.why});
                    if (when_told_) when_told_();
                  }});
  }
  // What the first agent that has a request is asked, and its answer.
  agent::Request taken() {
    fake_.turn();
    for (asked_ = hung_; asked_ < fake_.workers.size(); ++asked_) {
      const process::Message message = fake_.request_at(asked_);
      if (!message.body.empty()) return agent::validate(message.body).value();
    }
    ADD_FAILURE() << "nobody is asked anything";
    return {};
  }
  void respond(const agent::Response& response) {
    fake_.answer(asked_, process::as_bytes(response));
  }
  // It says that there is no such home.
  void answer_absent() {
    agent::Response response;
    static_cast<void>(taken());
    response.outcome = agent::Outcome::absent;
    respond(response);
  }
  std::string log() {
    log_->flush();
    std::string text(4096, '\0');
    rewind(log_file_);
    text.resize(fread(text.data(), 1, text.size(), log_file_));
    return text;
  }

  TestTree tree_;
  TestTree::Records users_;
  Options options_;
  FakeLoop loop_;
  process::FakeSpawner fake_{loop_};
  std::size_t asked_ = 0;  // the agent whose request was taken
  std::size_t hung_ = 0;   // as many agents do not answer
  std::FILE* log_file_ = nullptr;
  std::unique_ptr<agent::Pool> pool_;
  std::unique_ptr<process::LogWriter> log_;
  std::unique_ptr<Verifier> verifier_;
  std::vector<Told> told_;
  int waiting_ = 0;  // queries that have not been destroyed
  std::function<void()> when_told_;
};

TEST_F(VerifierTest, WhatIsKnownIsDecidedAtOnce) {
  EXPECT_EQ(decided("x@elsewhere.example"), rcpt::Why::relay);
  EXPECT_EQ(decided("@"), rcpt::Why::syntax);
}

TEST_F(VerifierTest, AQueryIsCompletedOnceWhenTheHelperHasAnswered) {
  EXPECT_EQ(ask("a", "u1-x@l.example"), Verifier::Parked::yes);
  EXPECT_EQ(ask("b", "u1-y@l.example"), Verifier::Parked::yes);
  EXPECT_EQ(ask("c", "u2-x@l.example"), Verifier::Parked::yes);
  fake_.turn();
  answer_absent();
  ASSERT_EQ(told_.size(), 2U) << "both wait for the same home";
  EXPECT_EQ(told_[0].name + told_[1].name, "ab");
  EXPECT_EQ(told_[0].why, rcpt::Why::home_error);
  answer_absent();
  ASSERT_EQ(told_.size(), 3U);
  EXPECT_EQ(told_[2].name, "c");
  EXPECT_EQ(waiting_, 0);
  loop_.advance_us(2 * kHelperUs);
  EXPECT_EQ(told_.size(), 3U);
}

TEST_F(VerifierTest, OverdueOnesAreToldTimeoutOnce) {
  EXPECT_EQ(ask("a", "u1-x@l.example"), Verifier::Parked::yes);
  loop_.advance_us(kSecondUs);
  EXPECT_EQ(ask("b", "u2-x@l.example"), Verifier::Parked::yes);
  loop_.advance_us(Verifier::kMaxParkedUs - kSecondUs - 1);
  EXPECT_TRUE(told_.empty());
  loop_.advance_us(kSecondUs / 2);
  ASSERT_EQ(told_.size(), 1U) << "the one that is due";
  EXPECT_EQ(told_[0].name, "a");
  EXPECT_EQ(told_[0].why, rcpt::Why::timeout);
  EXPECT_EQ(waiting_, 1);
  loop_.advance_us(kSecondUs);
  EXPECT_EQ(told_.size(), 2U);
  fake_.turn();
  answer_absent();
  answer_absent();
  loop_.advance_us(kHelperUs);
  EXPECT_EQ(told_.size(), 2U) << "the late answer is nobody's any more";
  EXPECT_EQ(decided("u1-x@l.example"), rcpt::Why::home_error) << "but it is remembered";
}

TEST_F(VerifierTest, AHelperThatNeverAnswersIsATimeout) {
  EXPECT_EQ(ask("a", "u1-x@l.example"), Verifier::Parked::yes);
  loop_.advance_us(kHelperUs + kSecondUs);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].why, rcpt::Why::timeout);
}

TEST_F(VerifierTest, WhenAllPlacesAreTakenThereIsNoRoom) {
  for (std::size_t i = 0; i < Verifier::kMaxParked; ++i) {
    const std::string user = std::to_string(1 + i / Verifier::kMaxParkedPerLane);
    ASSERT_EQ(ask("a", "u" + user + "-x@l.example"), Verifier::Parked::yes) << i;
  }
  EXPECT_EQ(ask("late", "u5-x@l.example"), Verifier::Parked::no_room);
  EXPECT_EQ(waiting_, static_cast<int>(Verifier::kMaxParked)) << "the late one is gone";
  EXPECT_TRUE(told_.empty()) << "and was not told";
  EXPECT_EQ(decided("x@elsewhere.example"), rcpt::Why::relay) << "others are decided";
  loop_.advance_us(Verifier::kMaxParkedUs + kSecondUs);
  EXPECT_EQ(told_.size(), Verifier::kMaxParked);
  EXPECT_EQ(ask("late", "u5-x@l.example"), Verifier::Parked::no_room)
      << "the places are taken until the agent has answered";
  fake_.turn();
  answer_absent();
  EXPECT_EQ(ask("late", "u5-y@l.example"), Verifier::Parked::yes);
  EXPECT_EQ(told_.size(), Verifier::kMaxParked);
}

// One home hangs.  Queries about it fill their share and no more; another home is looked into.
TEST_F(VerifierTest, AnOwnerWhoseHomeHangsGetsAShareOfThePlaces) {
  for (std::size_t i = 0; i < Verifier::kMaxParkedPerLane; ++i) {
    ASSERT_EQ(ask("hung", "u1-" + std::to_string(i) + "@l.example"), Verifier::Parked::yes) << i;
  }
  fake_.turn();
  hung_ = fake_.workers.size();
  EXPECT_EQ(ask("late", "u1-late@l.example"), Verifier::Parked::no_room);
  EXPECT_EQ(verifier_->counters().no_room, 1U);
  EXPECT_EQ(ask("other", "u2-x@l.example"), Verifier::Parked::yes);
  fake_.turn();
  answer_absent();
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].name, "other");
  EXPECT_EQ(told_[0].why, rcpt::Why::home_error) << "looked at";
  loop_.advance_us(kHelperUs + kSecondUs);
  EXPECT_EQ(told_.size(), 1U + Verifier::kMaxParkedPerLane);
  EXPECT_EQ(decided("u1-late@l.example"), rcpt::Why::timeout) << "not tried again for a while";
  loop_.advance_us(2 * kHelperUs);
  verifier_->reload();
  EXPECT_EQ(ask("later", "u1-x@l.example"), Verifier::Parked::yes) << "the places are free again";
}

// A query that waited for one thing and now waits for another counts in the other's share.
TEST_F(VerifierTest, AQueryThatComesIntoAFullLaneIsUndecided) {
  ASSERT_EQ(ask("joe", "joe@l.example"), Verifier::Parked::yes);
  fake_.turn();
  const agent::Request asked = taken();
  ASSERT_EQ(asked.op, agent::Op::passwd_user);
  for (std::size_t i = 0; i < Verifier::kMaxParkedPerLane; ++i) {
    ASSERT_EQ(ask("hung", "u1-x@l.example"), Verifier::Parked::yes) << i;
  }
  agent::Response response;
  response.outcome = agent::Outcome::found;
  response.uid = 1001;
  response.gid = 1001;
  response.user_length = static_cast<std::uint16_t>(std::string("joe").copy(response.user, 3));
  response.home_length = static_cast<std::uint16_t>(std::string("/joe").copy(response.home, 4));
  respond(response);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].name, "joe");
  EXPECT_EQ(told_[0].why, rcpt::Why::timeout);
  EXPECT_EQ(verifier_->parked(), Verifier::kMaxParkedPerLane);
  EXPECT_EQ(ask("late", "u1-x@l.example"), Verifier::Parked::no_room);
  EXPECT_EQ(ask("other", "u2-x@l.example"), Verifier::Parked::yes);
}

TEST_F(VerifierTest, WhoIsToldMayAskTheNextQuestion) {
  int more = 100;
  when_told_ = [&] {
    for (int i = 0; i < 3 && more > 0; ++i, --more) {
      EXPECT_EQ(ask("next", "u2-x@l.example"), Verifier::Parked::yes);
    }
  };
  EXPECT_EQ(ask("a", "u1-x@l.example"), Verifier::Parked::yes);
  EXPECT_EQ(ask("b", "u1-x@l.example"), Verifier::Parked::yes);
  fake_.turn();
  answer_absent();
  EXPECT_EQ(told_.size(), 2U);
  EXPECT_EQ(waiting_, 6);
  when_told_ = nullptr;
  answer_absent();
  EXPECT_EQ(told_.size(), 8U);
  EXPECT_EQ(waiting_, 0);
}

TEST_F(VerifierTest, ReloadForgetsWhatWasFoundOut) {
  EXPECT_EQ(ask("a", "u1-x@l.example"), Verifier::Parked::yes);
  fake_.turn();
  answer_absent();
  EXPECT_EQ(decided("u1-x@l.example"), rcpt::Why::home_error);
  verifier_->reload();
  EXPECT_TRUE(is_pending("u1-x@l.example"));
}

TEST_F(VerifierTest, ReloadReadsFilesWithoutWaitingForASecondToPass) {
  EXPECT_EQ(decided("x@new.example"), rcpt::Why::relay);
  tree_.replace("control/locals", "l.example\nnew.example\n");
  verifier_->refresh(loop_.now_us());
  EXPECT_EQ(decided("x@new.example"), rcpt::Why::relay) << "looked at a moment ago";
  verifier_->reload();
  EXPECT_TRUE(is_pending("u3-x@new.example"));
}

TEST_F(VerifierTest, ReloadKeepsWhatSomebodyWaitsFor) {
  EXPECT_EQ(ask("a", "u1-x@l.example"), Verifier::Parked::yes);
  fake_.turn();
  verifier_->reload();
  answer_absent();
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].why, rcpt::Why::home_error);
}

TEST_F(VerifierTest, AProblemOfAFileIsLogged) {
  tree_.replace("users/cdb", "damaged");
  verifier_->reload();
  EXPECT_NE(log().find("config file="), std::string::npos) << log();
}

TEST_F(VerifierTest, TheLogHoldsWhatIsWanted) {
  const auto note_both = [this] {
    Asked asked;
    asked.address = "a b@l.example";
    asked.client = "192.0.2.1";
    asked.at_us = loop_.now_us();
    verifier_->record(asked, decided_without_looking(rcpt::Why::relay));
    verifier_->record(asked, decided_without_looking(rcpt::Why::unknown_user), "ok");
  };
  options_.log = LogWhat::none;
  note_both();
  EXPECT_EQ(log(), "");
  options_.log = LogWhat::reject;
  note_both();
  const std::string refused =
      "verify result=not-valid why=unknown-user rcpt=\"a b@l.example\" client=192.0.2.1 pos=0 us=0 "
      "told=ok\n";
  EXPECT_EQ(log(), refused);
  options_.log = LogWhat::all;
  note_both();
  EXPECT_EQ(log(), refused +
                       "verify result=valid why=relay rcpt=\"a b@l.example\" client=192.0.2.1 "
                       "pos=0 us=0\n" +
                       refused);
}

}  // namespace
}  // namespace qv::verify
