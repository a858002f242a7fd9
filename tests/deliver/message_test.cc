// SPDX-License-Identifier: 0BSD
#include "deliver/message.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "core/text.h"
#include "tests/deliver/mailbox_dir.h"
#include "tests/fakes/faulty_files.h"

namespace qv::deliver {
namespace {

class MessageTest : public ::testing::Test {
 protected:
  std::string copied(std::string_view body, Quoting quoting) {
    FaultyFiles files;
    const Fd out(files.open(dir_.path("out"), O_WRONLY | O_CREAT | O_TRUNC));
    FileWriter writer(files, out.get());
    EXPECT_TRUE(copy_body(files, dir_.message(body), quoting, writer).ok());
    EXPECT_TRUE(writer.flush().ok());
    EXPECT_EQ(writer.size(), dir_.read("out").size());
    return dir_.read("out");
  }
  Looping loop(std::string_view body, std::string_view recipient = "bob@example.org") {
    FaultyFiles files;
    const Result<Looping> found = find_loop(files, dir_.message(body), recipient);
    EXPECT_TRUE(found.ok());
    return found.ok() ? found.value() : Looping::none;
  }
  MailboxDir dir_;
};

TEST_F(MessageTest, RefusesEnvelopesThatWouldBecomeLines) {
  EXPECT_TRUE(is_clean(Envelope{"", "b@x", "b@x"}));
  for (const char bad : {'\r', '\n', '\0'}) {
    const std::string address = std::string("a") + bad + "b@x";
    EXPECT_FALSE(is_clean(Envelope{address, "b@x", "b@x"}));
    EXPECT_FALSE(is_clean(Envelope{"a@x", address, "b@x"}));
    EXPECT_FALSE(is_clean(Envelope{"a@x", "b@x", address}));
  }
}

TEST_F(MessageTest, WritesTheThreeHeaderLines) {
  EXPECT_EQ(header_lines({"a@x", "B@x", "b@x"}),
            "Return-Path: <a@x>\nX-Original-To: B@x\nDelivered-To: b@x\n");
  EXPECT_EQ(header_lines({"", "b@x", "b@x"}),
            "Return-Path: <>\nX-Original-To: b@x\nDelivered-To: b@x\n");
}

TEST_F(MessageTest, QuotesAddressesThatNeedIt) {
  EXPECT_EQ(quote_address("a.b@x"), "a.b@x");
  EXPECT_EQ(quote_address("a b@x"), "\"a b\"@x");
  EXPECT_EQ(quote_address("a\"\\@x"), "\"a\\\"\\\\\"@x");
  EXPECT_EQ(quote_address("a@b@x"), "\"a@b\"@x");
  EXPECT_EQ(quote_address(".a@x"), "\".a\"@x");
  EXPECT_EQ(quote_address("a..b@x"), "\"a..b\"@x");
  EXPECT_EQ(quote_address("@x"), "\"\"@x");
  EXPECT_EQ(quote_address("m\xc3\xbcller@x"), "m\xc3\xbcller@x");
  EXPECT_EQ(quote_address("bob"), "bob");
  EXPECT_EQ(quote_address(""), "");
  EXPECT_EQ(loop("Delivered-To: \"a b\"@x\n\n", "a b@x"), Looping::found);
}

TEST_F(MessageTest, FindsALoopHoweverTheMessageIsCut) {
  struct Row {
    std::string text;
    Looping wanted;
  };
  const Row rows[] = {
      {"A: b\nDelivered-To: bob@x\n\nbody\n", Looping::found},
      {"A: b\r\nDELIVERED-to:  BOB@x \r\n\r\n", Looping::found},
      {"Delivered-To: bob@x", Looping::found},
      {"Delivered-To: bob@xx", Looping::none},
      {"A: b\n\nDelivered-To: bob@x\n", Looping::none},
      {"A: b\r\n\r\nDelivered-To: bob@x\r\n", Looping::none},
      {std::string(70000, 'y') + "\nDelivered-To: bob@x\n", Looping::found},
      {std::string(70000, 'y') + "Delivered-To: bob@x\n", Looping::none},
      {"", Looping::none},
  };
  for (const Row& row : rows) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{3}, std::size_t{100000}}) {
      FaultyFiles files;
      files.read_at_most(size);
      const Result<Looping> found = find_loop(files, dir_.message(row.text), "bob@x");
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found.value(), row.wanted) << row.text.substr(0, 50) << " by " << size;
    }
    EXPECT_EQ(loop(row.text, "bob@x"), row.wanted) << row.text.substr(0, 50);
  }
}

TEST_F(MessageTest, WritesFromLinesInAsctimeForm) {
  EXPECT_EQ(from_line("a@x", 0), "From a@x Thu Jan  1 00:00:00 1970\n");
  EXPECT_EQ(from_line("", 1700000000), "From MAILER-DAEMON Tue Nov 14 22:13:20 2023\n");
  EXPECT_EQ(from_line("\"a b\"@x", 0), "From \"a-b\"@x Thu Jan  1 00:00:00 1970\n");
}

TEST_F(MessageTest, FindsItsOwnDeliveredToInTheHeaderOnly) {
  EXPECT_EQ(loop("Subject: x\nDelivered-To: bob@example.org\n\nbody\n"), Looping::found);
  EXPECT_EQ(loop("delivered-to:BOB@Example.ORG \t\r\n\nbody\n"), Looping::found);
  EXPECT_EQ(loop("Delivered-To: bob@example.org"), Looping::found);
  EXPECT_EQ(loop("Subject: x\n\nDelivered-To: bob@example.org\n"), Looping::none);
  EXPECT_EQ(loop("Subject: x\r\n\r\nDelivered-To: bob@example.org\n"), Looping::none);
  EXPECT_EQ(loop("Delivered-To: bobby@example.org\n\n"), Looping::none);
  EXPECT_EQ(loop("X-Delivered-To: bob@example.org\n\n"), Looping::none);
  EXPECT_EQ(loop(""), Looping::none);
}

TEST_F(MessageTest, FindsALoopBehindALongHeader) {
  std::string header;
  while (header.size() < 200000) header += "Received: from somewhere by somewhere else\n";
  EXPECT_EQ(loop(header + "Delivered-To: bob@example.org\n\n"), Looping::found);
  EXPECT_EQ(loop(header + "\nDelivered-To: bob@example.org\n"), Looping::none);
  EXPECT_EQ(loop(std::string(200000, 'x')), Looping::none);
}

TEST_F(MessageTest, CopiesAsItIsButForTheFinalNewline) {
  EXPECT_EQ(copied("a\nFrom b\n", Quoting::none), "a\nFrom b\n");
  EXPECT_EQ(copied("a\nb", Quoting::none), "a\nb\n");
  EXPECT_EQ(copied("", Quoting::none), "");
  EXPECT_EQ(copied("\n", Quoting::none), "\n");
  EXPECT_EQ(copied(std::string("a\0b\r\n", 5), Quoting::none), std::string("a\0b\r\n", 5));
}

TEST_F(MessageTest, QuotesFromLines) {
  EXPECT_EQ(copied("From a\nb From c\nFrom d", Quoting::mbox), ">From a\nb From c\n>From d\n");
  EXPECT_EQ(copied("From", Quoting::mbox), "From\n");
  EXPECT_EQ(copied("From\n", Quoting::mbox), "From\n");
  EXPECT_EQ(copied("from x\nFrom: x\n>From x\n", Quoting::mbox), "from x\nFrom: x\n>From x\n");
}

// "From " across the border of two pieces, at every place.
TEST_F(MessageTest, QuotesFromLinesAcrossPieces) {
  for (std::size_t before = 64 * 1024 - 7; before <= 64 * 1024 + 1; ++before) {
    const std::string head = std::string(before - 1, 'x') + "\n";
    EXPECT_EQ(copied(head + "From a\n", Quoting::mbox), head + ">From a\n") << before;
    EXPECT_EQ(copied(head + "Fro", Quoting::mbox), head + "Fro\n") << before;
    EXPECT_EQ(copied(head + "From a\n", Quoting::none), head + "From a\n") << before;
  }
}

}  // namespace
}  // namespace qv::deliver
