// SPDX-License-Identifier: 0BSD
#include "deliver/job.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/deliver/mailbox_dir.h"
#include "tests/fakes/faulty_files.h"

namespace qv::deliver {
namespace {

class JobTest : public ::testing::Test {
 protected:
  JobTest() {
    job_.envelope = envelope_for();
    job_.mailbox.path = dir_.path("bob/");
    job_.mailbox.uid = getuid();
    settings_.locks.style = {true, false, true};
  }
  Outcome perform_with(std::string_view body) {
    FaultyFiles files;
    const MessageSource source = dir_.message(body);
    return perform(files, settings_, "host", job_, source.fd);
  }
  MailboxDir dir_;
  DeliverSettings settings_;
  Job job_;
};

TEST_F(JobTest, SurvivesBeingSent) {
  Job job;
  job.envelope = {"", "a:b@x", std::string("c\0d", 3)};
  job.mailbox = {"/mail/bob/", ".lists", 61001, 61002, {UINT64_MAX, 7}};
  job.start = 1234567890123;
  job.size = 17;
  const std::optional<Job> again = decode_job(encode_job(job));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(encode_job(*again), encode_job(job));
  EXPECT_EQ(again->envelope.recipient, job.envelope.recipient);
  EXPECT_EQ(again->mailbox.folder, ".lists");
  EXPECT_EQ(again->mailbox.gid, 61002u);
  EXPECT_EQ(again->mailbox.quota.bytes, UINT64_MAX);
  EXPECT_EQ(again->start, 1234567890123);
  EXPECT_EQ(again->size, 17u);

  const Outcome outcome{Delivery::refuse, "5.2.2", "mailbox is full", 42};
  const std::optional<Outcome> told = decode_outcome(encode_outcome(outcome));
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->delivery, Delivery::refuse);
  EXPECT_EQ(told->code, "5.2.2");
  EXPECT_EQ(told->text, "mailbox is full");
  EXPECT_EQ(told->bytes, 42u);
}

TEST_F(JobTest, NothingThatIsCutOrChangedIsAJob) {
  const std::string whole = encode_job(job_);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_job(whole.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(decode_job(whole + "x").has_value());
  EXPECT_FALSE(decode_job("-1:x").has_value());
  EXPECT_FALSE(decode_outcome("1:3" + encode_outcome({}).substr(3)).has_value());
  EXPECT_TRUE(decode_outcome("1:05:2.0.01:x1:0").has_value());
  EXPECT_FALSE(decode_outcome("1:05:2.0.01:x2:0").has_value());
}

TEST_F(JobTest, RefusesWhatIsNotToBeDelivered) {
  EXPECT_EQ(perform_with("Delivered-To: bob@example.org\n\n").code, "5.4.6");
  job_.envelope.sender = "a\nb@x";
  EXPECT_EQ(perform_with("x\n").code, "5.6.0");
  EXPECT_FALSE(dir_.exists("bob"));
}

TEST_F(JobTest, APathThatEndsInASlashIsAMaildir) {
  EXPECT_EQ(perform_with("x\n").delivery, Delivery::done);
  EXPECT_EQ(dir_.list("bob/new").size(), 1u);
  job_.mailbox.path = dir_.path("mbox");
  EXPECT_EQ(perform_with("x\n").delivery, Delivery::done);
  EXPECT_EQ(dir_.read("mbox").substr(0, 11), "From alice@");
}

TEST_F(JobTest, AQuotaInBytesIsTheLimitOfAnMbox) {
  job_.mailbox.path = dir_.path("mbox");
  job_.mailbox.quota = {200, 0};
  EXPECT_EQ(perform_with("x\n").delivery, Delivery::done);
  EXPECT_EQ(perform_with("x\n").code, "5.2.2");
}

TEST_F(JobTest, AFullMailboxIsKnownBeforeTheMessageIsThere) {
  FaultyFiles files;
  EXPECT_FALSE(needs_room(settings_, job_.mailbox));
  job_.mailbox.quota = {300, 2};
  EXPECT_TRUE(needs_room(settings_, job_.mailbox));
  EXPECT_EQ(find_room(files, settings_, job_).delivery, Delivery::done);
  ASSERT_EQ(perform_with("x\n").delivery, Delivery::done);
  EXPECT_EQ(find_room(files, settings_, job_).delivery, Delivery::done);
  job_.size = 250;
  EXPECT_EQ(find_room(files, settings_, job_).code, "5.2.2");
  job_.size = 0;
  ASSERT_EQ(perform_with("x\n").delivery, Delivery::done);
  EXPECT_EQ(find_room(files, settings_, job_).code, "5.2.2");  // two messages

  job_.mailbox.path = dir_.path("mbox");
  job_.mailbox.quota = {};
  settings_.mailbox_limit = 0;
  EXPECT_FALSE(needs_room(settings_, job_.mailbox));
  settings_.mailbox_limit = 10;
  EXPECT_TRUE(needs_room(settings_, job_.mailbox));
  EXPECT_EQ(find_room(files, settings_, job_).delivery, Delivery::done);  // there is none yet
  dir_.write("mbox", "012345678");
  EXPECT_EQ(find_room(files, settings_, job_).delivery, Delivery::done);
  job_.size = 2;
  EXPECT_EQ(find_room(files, settings_, job_).code, "5.2.2");
  dir_.write("mbox", "0123456789");
  job_.size = 0;
  EXPECT_EQ(find_room(files, settings_, job_).code, "5.2.2");
}

TEST_F(JobTest, ASubfolderIsUsedWhereItExists) {
  job_.mailbox.folder = ".lists";
  EXPECT_EQ(perform_with("x\n").delivery, Delivery::done);
  EXPECT_EQ(dir_.list("bob/new").size(), 1u);
  dir_.make_dir("bob/.lists");
  EXPECT_EQ(perform_with("x\n").delivery, Delivery::done);
  EXPECT_EQ(dir_.list("bob/.lists/new").size(), 1u);
}

Outcome outcome_of(int errnum, const char* what) {
  return Error{fault_from_errno(errnum), errnum, what};
}

TEST(Outcomes, ErrnosHaveTheirCodes) {
  EXPECT_EQ(outcome_of(EDQUOT, "write").code, "5.2.2");
  EXPECT_EQ(outcome_of(EFBIG, "write").delivery, Delivery::refuse);
  EXPECT_EQ(outcome_of(ENOSPC, "write").code, "4.3.1");
  EXPECT_EQ(outcome_of(EIO, "write").code, "4.3.0");
  EXPECT_EQ(outcome_of(ESTALE, "write").code, "4.3.0");
  EXPECT_EQ(outcome_of(EACCES, "open").code, "4.3.5");
  EXPECT_EQ(outcome_of(EIO, "write").text, "write: Input/output error");
}

TEST(Outcomes, WantOfSpoolSpaceIsNeverFinal) {
  for (const int errnum : {EFBIG, EDQUOT, ENOSPC, EACCES, EIO}) {
    const Outcome outcome = cannot_spool({Fault::retry, errnum, "store the message"});
    EXPECT_EQ(outcome.delivery, Delivery::retry);
    EXPECT_EQ(outcome.code, "4.3.1");
  }
  EXPECT_EQ(cannot_spool({Fault::retry, EIO, "store the message"}).text,
            "store the message: Input/output error");
}

TEST(Outcomes, TheWorseOfTwo) {
  EXPECT_GT(exit_code(Delivery::refuse), exit_code(Delivery::done));
  EXPECT_GT(exit_code(Delivery::retry), exit_code(Delivery::refuse));
  EXPECT_EQ(exit_code(Delivery::done), 0);
  EXPECT_EQ(exit_code(Delivery::refuse), 100);
  EXPECT_EQ(exit_code(Delivery::retry), 111);
}

}  // namespace
}  // namespace qv::deliver
