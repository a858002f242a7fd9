// SPDX-License-Identifier: 0BSD
// Agents as processes: what they become, and what a front that was taken over gets from them.
#include "agent/agent.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/pool.h"
#include "core/clock.h"
#include "event/libevent_loop.h"
#include "maps/cdb_writer.h"
#include "process/channel.h"
#include "process/child.h"
#include "tests/agent/home_tree.h"
#include "tests/fakes/test_tree.h"
#include "tests/process/processes.h"

namespace qv::agent {
namespace {

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    tree_.write("home/.qmail", "");
    settings_.passwd = tree_.path("passwd");
    settings_.users_cdb = tree_.path("users.cdb");
    write_passwd();
  }
  ~AgentTest() override { end(); }

  void write_passwd(const std::string& more = "") {
    tree_.write("passwd", "owner:x:" + std::to_string(owner_uid()) + ":" +
                              std::to_string(owner_gid()) + "::" + tree_.home() + ":\n" + more);
  }
  void write_users(const std::vector<std::pair<std::string, std::string>>& entries) {
    tree_.write("users.cdb", "");
    const Fd file(open(tree_.path("users.cdb").c_str(), O_RDWR | O_CLOEXEC));
    maps::CdbWriter writer(file.get());
    for (const auto& [key, value] : entries) ASSERT_TRUE(writer.add(key, value).ok());
    ASSERT_TRUE(writer.finish().ok());
  }

  // An agent for the account; the test holds what a front holds of it.
  void start(const std::string& account) {
    end();
    const process::SpawnerSettings spawner = agent_spawner(settings_);
    process::Child child = process::start_child(spawner.confinement, [&](Fd theirs) {
                             spawner.run(account, std::move(theirs));
                           }).value();
    socket_ = std::move(child.socket);
    pid_ = child.pid;
    const timeval limit{5, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void end() {
    socket_.reset();
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  // The response; nothing where the agent has ended.
  std::optional<Response> ask(std::string_view body) {
    if (!process::send_message(socket_, 0, 1, body, -1, process::Waiting::never).ok()) return {};
    const auto answer = process::receive_message(socket_, process::Waiting::allowed);
    if (!answer.ok()) return {};
    return validate_response(answer.value().body).value();
  }
  std::optional<Response> ask(const Request& request) { return ask(process::as_bytes(request)); }
  Request file(const std::string& account, uid_t uid = owner_uid(), gid_t gid = owner_gid()) {
    return home_file_request({account, uid, gid, tree_.home()}, ".qmail", Contents::not_wanted)
        .value();
  }
  void expect_outcome(const std::optional<Response>& response, Outcome outcome) {
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->failed, 0) << "errno " << response->errnum;
    EXPECT_EQ(response->outcome, outcome);
  }
  void expect_fault(const std::optional<Response>& response, Fault fault) {
    ASSERT_TRUE(response.has_value());
    ASSERT_EQ(response->failed, 1);
    EXPECT_EQ(response->fault, fault);
  }
  [[nodiscard]] std::string ids(const char* which) { return process::status_of(pid_, which); }

  HomeTree tree_;
  AgentSettings settings_;
  Fd socket_;
  pid_t pid_ = -1;
};

TEST_F(AgentTest, IsTheAccountOfItsNameForGood) {
  start("p:owner");
  expect_outcome(ask(file("p:owner")), Outcome::found);
  EXPECT_EQ(process::status_of(pid_, "NoNewPrivs"), "1");
  EXPECT_EQ(process::status_of(pid_, "Name"), "qv-agent");
  if (!is_root()) return;
  const std::string uid = std::to_string(kOwner);
  const std::string gid = std::to_string(kGroup);
  EXPECT_EQ(ids("Uid"), uid + "\t" + uid + "\t" + uid + "\t" + uid);
  EXPECT_EQ(ids("Gid"), gid + "\t" + gid + "\t" + gid + "\t" + gid);
  EXPECT_EQ(ids("Groups"), gid + " ");
}

TEST_F(AgentTest, IsTheAccountOfItsKeyInUsersCdb) {
  const std::string ids = std::to_string(owner_uid()) + '\0' + std::to_string(owner_gid()) + '\0';
  const std::string record = std::string("u") + '\0' + ids + tree_.home() + '\0' + '\0' + '\0';
  write_users({{"", "-"}, {std::string("!joe") + '\0', record}, {"!list-", record}});
  for (const std::string& account : {std::string("x:joe"), std::string("w:list-")}) {
    start(account);
    expect_outcome(ask(file(account)), Outcome::found);
  }
  start("x:list-");
  expect_fault(ask(file("x:list-")), Fault::denied);
}

// ---- what a front that was taken over may try ---------------------------------------------------

TEST_F(AgentTest, NobodyGetsAnotherAccountThanTheNamedOne) {
  start("p:owner");
  expect_outcome(ask(file("p:owner")), Outcome::found);
  // Another uid, gid, home or name in the request: the agent answers nothing and is gone.
  Request home = file("p:owner");
  memcpy(home.home, "/root\0", 6);
  home.home_length = 5;
  memset(home.home + 5, 0, sizeof home.home - 5);
  for (const Request& request : {file("p:owner", owner_uid() + 1), file("p:owner", owner_uid(), 7),
                                 file("p:other"), file("x:owner"), home}) {
    start("p:owner");
    expect_outcome(ask(file("p:owner")), Outcome::found);
    EXPECT_FALSE(ask(request).has_value());
    // The first question of a new one is answered: there is no such agent.
    start("p:owner");
    expect_fault(ask(request), Fault::retry);
  }
}

TEST_F(AgentTest, NobodyBecomesRoot) {
  write_passwd("toor:x:0:0::/root:\nwheel:x:7:0::" + tree_.home() + ":\nnohome:x:8:8:::\n");
  start("p:toor");
  expect_fault(ask(file("p:toor")), Fault::denied);
  start("p:nohome");
  expect_fault(ask(file("p:nohome")), Fault::denied);
  const std::string record =
      std::string("u") + '\0' + "0" + '\0' + "0" + '\0' + "/root" + '\0' + '\0' + '\0';
  write_users({{"", "-"}, {std::string("!root") + '\0', record}});
  start("x:root");
  expect_fault(ask(file("x:root")), Fault::denied);
  if (!is_root()) return;
  // A look needs no group of root's.
  start("p:wheel");
  expect_outcome(ask(file("p:wheel", 7, 65534)), Outcome::found);
  EXPECT_EQ(ids("Groups"), "65534 ");
}

TEST_F(AgentTest, AnAccountThatIsNotThereIsDenied) {
  start("p:no-such-user-here");
  expect_fault(ask(file("p:no-such-user-here")), Fault::denied);
  start("x:nobody");
  const auto missing = ask(file("x:nobody"));
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->failed, 1) << "there is no users/cdb";
}

// A name service may not give what the password file has, nor what a system has for itself: the
// test takes an account of the real password file, which the name services know and this file does
// not.
TEST_F(AgentTest, ANameServiceIsBelievedWithinBounds) {
  start("p:daemon");  // uid 1
  expect_fault(ask(file("p:daemon", 1, 1)), Fault::denied);
  write_passwd("mine:x:65534:1::/h:\n");
  start("p:nobody");
  expect_fault(ask(file("p:nobody", 65534, 65534)), Fault::denied);
}

TEST_F(AgentTest, AnAgentOfNoAccountLooksIntoNoHome) {
  start("");
  expect_outcome(ask(passwd_user_request("root").value()), Outcome::found);
  expect_fault(ask(file("p:owner")), Fault::denied);
  start("p:owner");
  EXPECT_TRUE(ask(file("p:owner")).has_value());
  EXPECT_FALSE(ask(passwd_user_request("root").value()).has_value());
}

TEST_F(AgentTest, AForgedRequestIsRefusedAndTheAgentGoesOn) {
  start("p:owner");
  Request forged = file("p:owner");
  forged.uid = 0;
  forged.gid = 0;
  expect_fault(ask(forged), Fault::denied);
  expect_fault(ask("short"), Fault::protocol);
  expect_outcome(ask(file("p:owner")), Outcome::found);
}

// The password file is read with the daemon's rights, not with root's.
TEST_F(AgentTest, NamesAreLookedUpWithoutRootsRights) {
  QV_NEEDS_ROOT();
  tree_.write("passwd", "joe:x:1:2::/h:\n", 0600);
  start("");
  const auto closed = ask(passwd_index_request(control::FileStamp{}));
  ASSERT_TRUE(closed.has_value());
  EXPECT_EQ(closed->errnum, EACCES);
  tree_.set_mode("passwd", 0644);
  expect_outcome(ask(passwd_index_request(control::FileStamp{})), Outcome::found);
  EXPECT_EQ(ids("Uid"), "65534\t65534\t65534\t65534");
}

// ---- through the pool ---------------------------------------------------------------------------

class AgentPoolTest : public AgentTest {
 protected:
  AgentPoolTest() {
    process::Spawner spawner = process::start_spawner(agent_spawner(settings_)).value();
    spawner_pid_ = spawner.pid;
    pool_ = std::make_unique<Pool>(loop_, std::move(spawner), process::PoolSettings{}, nullptr);
  }
  ~AgentPoolTest() override {
    pool_.reset();
    waitpid(spawner_pid_, nullptr, 0);
  }
  Result<Reply> look(const Request& request) {
    std::optional<Result<Reply>> answer;
    pool_->ask(request, [&](Result<Reply> result) {
      answer.emplace(std::move(result));
      loop_.stop();
    });
    loop_.run();
    return std::move(*answer);
  }

  event::LibeventLoop loop_;
  pid_t spawner_pid_ = -1;
  std::unique_ptr<Pool> pool_;
};

TEST_F(AgentPoolTest, AnswersEveryKindOfRequest) {
  const std::string path = tree_.home();
  const HomeOwner owner{"p:owner", owner_uid(), owner_gid(), path};
  EXPECT_EQ(look(file("p:owner")).value().outcome, Outcome::found);
  EXPECT_EQ(
      look(home_file_request(owner, ".qmail-none", Contents::not_wanted).value()).value().outcome,
      Outcome::absent);
  const Reply home = look(home_index_request(owner, control::FileStamp{}).value()).value();
  EXPECT_EQ(home.outcome, Outcome::found);
  EXPECT_NE(home.stamp.inode, 0U);
  const Reply root = look(passwd_user_request("root").value()).value();
  EXPECT_EQ(root.user, "root");
  EXPECT_EQ(root.home, "/root");
  Reply users = look(passwd_index_request(control::FileStamp{})).value();
  EXPECT_EQ(users.outcome, Outcome::found);
  std::string_view value;
  const maps::CdbFile table = maps::CdbFile::map(std::move(users.file)).value();
  EXPECT_EQ(table.find("owner", value).value(), maps::Answer::found);
  tree_.link("home/.qmail-loop", ".qmail-loop");
  const auto loop = look(home_file_request(owner, ".qmail-loop", Contents::not_wanted).value());
  EXPECT_EQ(loop.error().fault, Fault::config);
  EXPECT_EQ(loop.error().errnum, ELOOP);
}

// The home of an account that has moved: the agent that knew the old one is replaced, unasked.
TEST_F(AgentPoolTest, AnAccountThatHasMovedGetsANewAgent) {
  EXPECT_TRUE(look(file("p:owner")).ok());
  tree_.make_directory("moved", 0755);
  tree_.give("moved", owner_uid());
  tree_.write("moved/.qmail", "");
  tree_.write("passwd", "owner:x:" + std::to_string(owner_uid()) + ":" +
                            std::to_string(owner_gid()) + "::" + tree_.path("moved") + ":\n");
  const std::string moved = tree_.path("moved");
  const Request request = home_file_request({"p:owner", owner_uid(), owner_gid(), moved}, ".qmail",
                                            Contents::not_wanted)
                              .value();
  const Result<Reply> reply = look(request);
  ASSERT_TRUE(reply.ok()) << reply.error().errnum;
  EXPECT_EQ(reply.value().outcome, Outcome::found);
  EXPECT_EQ(pool_->counters().retried, 1U);
}

}  // namespace
}  // namespace qv::agent
