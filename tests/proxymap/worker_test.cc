// SPDX-License-Identifier: 0BSD
// A real worker process, and the messages it understands.
#include "proxymap/worker.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "process/channel.h"
#include "process/child.h"

namespace qv::proxymap {
namespace {

TEST(JobOf, IsTheRequestAsTheClientWouldSendIt) {
  const process::Job job = job_of(
      {.operation = wire::proxymap::Operation::update,
       .dialect = wire::proxymap::Dialect::with_flags,
       .table = "lmdb:/x",
       .instance_flags = wire::proxymap::flag::kNoSubstitution | wire::proxymap::flag::kOpenLock,
       .key = "k",
       .value = "v"});
  wire::AttributeDecoder decoder;
  wire::proxymap::Request again;
  ASSERT_EQ(decoder.scan(job.body), wire::Frame::whole);
  ASSERT_EQ(wire::proxymap::parse_request(decoder, job.body, again),
            wire::proxymap::Parsed::request);
  EXPECT_EQ(again.operation, wire::proxymap::Operation::update);
  EXPECT_EQ(again.table, "lmdb:/x");
  EXPECT_EQ(again.flags, wire::proxymap::flag::kNoSubstitution);
  EXPECT_EQ(again.key, "k");
  EXPECT_EQ(again.value, "v");
}

TEST(JobOf, OnlyLookUpsAreJoinedAndDoneTwice) {
  wire::proxymap::Request request{
      .operation = wire::proxymap::Operation::lookup, .table = "lmdb:/x", .key = "k"};
  const process::Job job = job_of(request);
  EXPECT_EQ(job.lane, "lmdb:/x");
  EXPECT_TRUE(job.is_repeatable);
  EXPECT_FALSE(job.identity.empty());
  request.flags = wire::proxymap::flag::kFoldFixed;
  EXPECT_EQ(job_of(request).identity, job.identity) << "the key is folded by now";
  request.flags = wire::proxymap::flag::kNoSubstitution;
  EXPECT_NE(job_of(request).identity, job.identity);
  request.operation = wire::proxymap::Operation::update;
  EXPECT_FALSE(job_of(request).is_repeatable);
  EXPECT_TRUE(job_of(request).identity.empty());
}

TEST(AnswerOf, NoAnswerIsTryAgain) {
  EXPECT_EQ(answer_of(Error{Fault::retry, ETIMEDOUT, ""}).status, wire::proxymap::Status::retry);
  EXPECT_EQ(answer_of(Error{Fault::retry, EAGAIN, ""}).detail, "too many look-ups wait for it");
  process::Message nonsense;
  nonsense.body = std::string("status\0007\0\0", 10);
  EXPECT_EQ(answer_of(std::move(nonsense)).status, wire::proxymap::Status::retry);
}

TEST(StatusOf, KeepsFaultsApartFromAbsence) {
  EXPECT_EQ(status_of(Result<maps::Answer>(maps::Answer::found)), wire::proxymap::Status::ok);
  EXPECT_EQ(status_of(Result<maps::Answer>(maps::Answer::absent)), wire::proxymap::Status::no_key);
  EXPECT_EQ(status_of(Error{Fault::retry, 0, ""}), wire::proxymap::Status::retry);
  EXPECT_EQ(status_of(Error{Fault::protocol, 0, ""}), wire::proxymap::Status::retry);
  EXPECT_EQ(status_of(Error{Fault::config, 0, ""}), wire::proxymap::Status::config);
  EXPECT_EQ(status_of(Error{Fault::denied, 0, ""}), wire::proxymap::Status::deny);
  EXPECT_EQ(status_of(Error{Fault::denied, 22, ""}), wire::proxymap::Status::config);
}

class WorkerTest : public testing::Test {
 protected:
  WorkerTest() {
    const process::SpawnerSettings settings = worker_spawner({});
    process::Child child = process::start_child(settings.confinement, [&](Fd theirs) {
                             settings.run("", std::move(theirs));
                           }).value();
    socket = std::move(child.socket);
    pid = child.pid;
  }
  ~WorkerTest() override {
    socket.reset();
    if (pid > 0) waitpid(pid, nullptr, 0);
  }
  WorkerAnswer ask_bytes(const std::string& bytes) {
    EXPECT_TRUE(process::send_message(socket, 0, 1, bytes, -1, process::Waiting::allowed).ok());
    const auto answered = process::receive_message(socket, process::Waiting::allowed);
    WorkerAnswer answer{wire::proxymap::Status::bad, "", "no answer"};
    if (answered.ok()) {
      EXPECT_TRUE(parse_answer(answered.value().body, answer));
    }
    return answer;
  }
  WorkerAnswer ask(const std::string& table, const std::string& key) {
    return ask_bytes(
        job_of({.operation = wire::proxymap::Operation::lookup, .table = table, .key = key}).body);
  }
  Fd socket;
  pid_t pid = -1;
};

TEST_F(WorkerTest, AsksTables) {
  const WorkerAnswer found = ask("inline:{ a=1 }", "a");
  EXPECT_EQ(found.status, wire::proxymap::Status::ok);
  EXPECT_EQ(found.value, "1");
  EXPECT_EQ(ask("inline:{ a=1 }", "b").status, wire::proxymap::Status::no_key);
}

TEST_F(WorkerTest, SaysWhyItCannot) {
  const WorkerAnswer answer = ask("cdb:/nonexistent/table", "a");
  EXPECT_NE(answer.status, wire::proxymap::Status::ok);
  EXPECT_NE(answer.status, wire::proxymap::Status::no_key);
  EXPECT_NE(answer.detail.find("/nonexistent/table"), std::string::npos) << answer.detail;
}

TEST_F(WorkerTest, CarriesALargeValue) {
  const std::string value(100000, 'v');
  EXPECT_EQ(ask("inline:{ {a=" + value + "} }", "a").value, value);
}

TEST_F(WorkerTest, RefusesWhatIsNoJob) {
  EXPECT_EQ(ask_bytes(std::string("\0", 1)).status, wire::proxymap::Status::config);
  EXPECT_EQ(ask("inline:{ a=1 }", "a").status, wire::proxymap::Status::ok);
}

TEST_F(WorkerTest, EndsWithItsSocket) {
  socket.reset();
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  pid = -1;
}

TEST_F(WorkerTest, EndsAtNonsense) {
  ASSERT_EQ(send(socket.get(), "\0", 1, 0), 1);
  char buffer[16];
  EXPECT_EQ(recv(socket.get(), buffer, sizeof buffer, 0), 0);
}

}  // namespace
}  // namespace qv::proxymap
