// SPDX-License-Identifier: 0BSD
// A real worker process, and the messages it understands.
#include "proxymap/worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "proxymap/job.h"

namespace qv::proxymap {
namespace {

TEST(Job, IsReadAsItWasWritten) {
  Job job;
  job.operation = Operation::update;
  job.table = "lmdb:/x";
  job.no_substitution = true;
  job.key = "k";
  job.value = "";
  std::string bytes;
  append_job(bytes, job);
  AttributeDecoder decoder;
  ASSERT_EQ(decoder.scan(bytes), Frame::whole);
  Job again;
  ASSERT_TRUE(parse_job(decoder, bytes, again));
  EXPECT_EQ(again.operation, Operation::update);
  EXPECT_EQ(again.table, "lmdb:/x");
  EXPECT_TRUE(again.no_substitution);
  EXPECT_EQ(again.key, "k");
}

TEST(StatusOf, KeepsFaultsApartFromAbsence) {
  EXPECT_EQ(status_of(Result<Answer>(Answer::found)), Status::ok);
  EXPECT_EQ(status_of(Result<Answer>(Answer::absent)), Status::no_key);
  EXPECT_EQ(status_of(Error{Fault::retry, 0, ""}), Status::retry);
  EXPECT_EQ(status_of(Error{Fault::protocol, 0, ""}), Status::retry);
  EXPECT_EQ(status_of(Error{Fault::config, 0, ""}), Status::config);
  EXPECT_EQ(status_of(Error{Fault::denied, 0, ""}), Status::deny);
  EXPECT_EQ(status_of(Error{Fault::denied, 22, ""}), Status::config);
}

class WorkerTest : public testing::Test {
 protected:
  WorkerTest() : worker(start_worker({}).value()) {
    const int flags = fcntl(worker.socket.get(), F_GETFL);
    fcntl(worker.socket.get(), F_SETFL, flags & ~O_NONBLOCK);
  }
  ~WorkerTest() override {
    worker.socket.reset();
    if (worker.pid > 0) waitpid(worker.pid, nullptr, 0);
  }
  JobAnswer ask(const std::string& table, const std::string& key) {
    Job job;
    job.table = table;
    job.key = key;
    std::string bytes;
    append_job(bytes, job);
    EXPECT_EQ(send(worker.socket.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    char buffer[4096];
    const ssize_t n = recv(worker.socket.get(), buffer, sizeof buffer, 0);
    JobAnswer answer;
    if (n <= 0) return {Status::bad, "", "no answer"};
    AttributeDecoder decoder;
    EXPECT_EQ(decoder.scan({buffer, static_cast<std::size_t>(n)}), Frame::whole);
    EXPECT_TRUE(parse_answer(decoder, {buffer, static_cast<std::size_t>(n)}, answer));
    return answer;
  }
  Worker worker;
};

TEST_F(WorkerTest, AsksTables) {
  const JobAnswer found = ask("inline:{ a=1 }", "a");
  EXPECT_EQ(found.status, Status::ok);
  EXPECT_EQ(found.value, "1");
  EXPECT_EQ(ask("inline:{ a=1 }", "b").status, Status::no_key);
}

TEST_F(WorkerTest, SaysWhyItCannot) {
  const JobAnswer answer = ask("cdb:/nonexistent/table", "a");
  EXPECT_NE(answer.status, Status::ok);
  EXPECT_NE(answer.status, Status::no_key);
  EXPECT_NE(answer.detail.find("/nonexistent/table"), std::string::npos) << answer.detail;
}

TEST_F(WorkerTest, EndsWithItsSocket) {
  worker.socket.reset();
  int status = -1;
  ASSERT_EQ(waitpid(worker.pid, &status, 0), worker.pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  worker.pid = -1;
}

TEST_F(WorkerTest, EndsAtNonsense) {
  ASSERT_EQ(send(worker.socket.get(), "\0", 1, 0), 1);
  char buffer[16];
  EXPECT_EQ(recv(worker.socket.get(), buffer, sizeof buffer, 0), 0);
}

}  // namespace
}  // namespace qv::proxymap
