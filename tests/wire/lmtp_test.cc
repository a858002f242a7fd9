// SPDX-License-Identifier: 0BSD
#include "wire/lmtp.h"

#include <gtest/gtest.h>

#include "tests/fakes/lmtp_script.h"

namespace qv::wire {
namespace {

class LmtpTest : public ::testing::Test {
 protected:
  // The reply codes, one word each, "250-" lines left out; and messages_.
  std::string codes(std::string_view input) {
    std::string result;
    for (const std::size_t piece : {input.size(), std::size_t{1}, std::size_t{3}}) {
      LmtpScript script(limits_);
      script.feed(input, piece);
      closed_ = script.closed;
      std::string found = codes_of(script.replies);
      if (piece != input.size()) {
        EXPECT_EQ(found, result) << "in pieces of " << piece;
        EXPECT_EQ(script.messages, messages_) << "in pieces of " << piece;
      }
      result = found;
      messages_ = script.messages;
    }
    return result;
  }
  static std::string codes_of(std::string_view replies) {
    std::string out;
    while (!replies.empty()) {
      const std::size_t end = replies.find("\r\n");
      if (replies[3] == ' ') out += (out.empty() ? "" : " ") + std::string(replies.substr(0, 3));
      replies.remove_prefix(end + 2);
    }
    return out;
  }
  std::string body_of(const std::string& data) {
    codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n" + data);
    return messages_;
  }
  lmtp::Limits limits_;
  std::string messages_;
  bool closed_ = false;
};

TEST_F(LmtpTest, OneMessageOneReplyPerRecipient) {
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<no@y>\r\n"
                  "RCPT TO:<c@y>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n"),
            "250 250 250 550 250 354 250 250 221");
  EXPECT_EQ(messages_, "a@x>b@y,c@y,:hi\n|");
  EXPECT_TRUE(closed_);
}

TEST_F(LmtpTest, OffersWhatItCan) {
  LmtpScript script({1000, 100, 10});
  script.feed("lhlo client\r\n", 100);
  EXPECT_EQ(script.replies,
            "250-host\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
            "250-ENHANCEDSTATUSCODES\r\n250-SIZE 1000\r\n250 CHUNKING\r\n");
}

TEST_F(LmtpTest, OrderMatters) {
  EXPECT_EQ(codes("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"), "503 503 503");
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x>\r\nMAIL FROM:<a@x>\r\nDATA\r\n"), "250 250 503 503");
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<no@y>\r\nDATA\r\n"), "250 250 550 503");
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRSET\r\nRCPT TO:<b@y>\r\n"), "250 250 250 503");
  EXPECT_EQ(codes("HELO c\r\nEHLO c\r\nLHLO\r\nWHAT\r\nNOOP x\r\nVRFY b\r\n"),
            "500 500 501 500 250 252");
}

TEST_F(LmtpTest, OnlyCrLfDotCrLfEndsAMessage) {
  EXPECT_EQ(body_of("a\n.\nb\r\n.\r\n"), "a@x>b@y,:a\n.\nb\n|");
  EXPECT_EQ(body_of("a\n.\r\nb\r\n.\r\n"), "a@x>b@y,:a\n.\nb\n|");
  EXPECT_EQ(body_of("a\r\n.\nb\r\n.\r\n"), "a@x>b@y,:a\n\nb\n|");
  EXPECT_EQ(body_of("a\r.\r\n.\r\n"), "a@x>b@y,:a\r.\n|");
  EXPECT_EQ(body_of("a\r.\rb\r\n.\r\n"), "a@x>b@y,:a\r.\rb\n|");
  EXPECT_EQ(body_of("a\r\n.\rb\r\n.\r\n"), "a@x>b@y,:a\n\rb\n|");
  EXPECT_EQ(body_of("a\r\r\n.\r\n"), "a@x>b@y,:a\r\n|");
  EXPECT_EQ(body_of("a\r\n.\r\r\n.\r\n"), "a@x>b@y,:a\n\r\n|");
  EXPECT_EQ(body_of("a\n.\n"), "");
}

TEST_F(LmtpTest, TakesDotsOffAndKeepsBytes) {
  EXPECT_EQ(body_of("..\r\n...a\r\n.b\r\n.\r\n"), "a@x>b@y,:.\n..a\nb\n|");
  EXPECT_EQ(body_of(".\r\n"), "a@x>b@y,:|");
  EXPECT_EQ(body_of("\r\n\r\n.\r\n"), "a@x>b@y,:\n\n|");
  const std::string bytes("\0\x80\xff", 3);
  EXPECT_EQ(body_of(bytes + "\r\n.\r\n"), "a@x>b@y,:" + bytes + "\n|");
}

TEST_F(LmtpTest, CommandsBehindAMessageArePartOfNoMessage) {
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\none\r\n.\r\n"
                  "MAIL FROM:<>\r\nRCPT TO:<c@y>\r\nDATA\r\ntwo\r\n.\r\n"),
            "250 250 250 354 250 250 250 354 250");
  EXPECT_EQ(messages_, "a@x>b@y,:one\n|>c@y,:two\n|");
}

TEST_F(LmtpTest, AMessageThatCannotBeTakenIsRefusedBefore354) {
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<no@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nNOOP\r\n"),
            "250 250 250 451 250");
  EXPECT_EQ(messages_, "");
}

TEST_F(LmtpTest, TooBigIsToldPerRecipientAtTheEnd) {
  limits_.message = 5;
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n"
                  "12345\r\n.\r\nMAIL FROM:<a@x>\r\n"),
            "250 250 250 250 354 552 552 250");
  EXPECT_EQ(messages_, "#");
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x> SIZE=6\r\nMAIL FROM:<a@x> SIZE=5\r\n"), "250 552 250");
}

TEST_F(LmtpTest, ChunksMakeAMessage) {
  const std::string start = "LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n";
  EXPECT_EQ(codes(start + "BDAT 4\r\na\r\n.BDAT 5 LAST\r\n\r\nb\r\nNOOP\r\n"),
            "250 250 250 250 250 250");
  EXPECT_EQ(messages_, "a@x>b@y,:a\n.\nb\n|");
  EXPECT_EQ(codes(start + "BDAT 2\r\na\rBDAT 1\r\n\nBDAT 2 LAST\r\nb\r"),
            "250 250 250 250 250 250");
  EXPECT_EQ(messages_, "a@x>b@y,:a\nb\r|");
  EXPECT_EQ(codes(start + "BDAT 1\r\naBDAT 0 LAST\r\n"), "250 250 250 250 250");
  EXPECT_EQ(messages_, "a@x>b@y,:a|");
  EXPECT_EQ(codes(start + "BDAT 1\r\naRSET\r\nNOOP\r\n"), "250 250 250 250 250 250");
  EXPECT_EQ(messages_, "#");
  EXPECT_EQ(codes(start + "BDAT 1\r\naDATA\r\nRCPT TO:<c@y>\r\n"), "250 250 250 250 503 503");
}

TEST_F(LmtpTest, ChunksThatCannotBeTakenAreStillPassedOver) {
  EXPECT_EQ(codes("LHLO c\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"), "250 503 250");
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<no@x>\r\nRCPT TO:<b@y>\r\nBDAT 6\r\nQUIT\r\n"
                  "BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@x>\r\n"),
            "250 250 250 451 503 250");
  EXPECT_EQ(codes("LHLO c\r\nBDAT x\r\n"), "250 421");
  EXPECT_TRUE(closed_);
  limits_.message = 3;
  EXPECT_EQ(codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 6\r\nQUIT\r\n"
                  "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
            "250 250 250 250 552 250");
}

TEST_F(LmtpTest, BoundsWhatAClientSends) {
  limits_.mistakes = 3;
  EXPECT_EQ(codes("A\r\nB\r\nC\r\nNOOP\r\n"), "500 500 500 421");
  EXPECT_TRUE(closed_);
  EXPECT_EQ(codes(std::string(100000, 'x') + "\r\nNOOP\r\n"), "500 250");
  EXPECT_EQ(codes("NOOP " + std::string(4000, 'x') + "\r\n"), "250");
  limits_.recipients = 2;
  EXPECT_EQ(
      codes("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\n"),
      "250 250 250 250 452");
}

TEST_F(LmtpTest, RefusesParametersAndBytesItDoesNotKnow) {
  const std::string start = "LHLO c\r\n";
  EXPECT_EQ(codes(start + "MAIL FROM:<a@x> BODY=8BITMIME SMTPUTF8 SIZE=5\r\n"), "250 250");
  EXPECT_EQ(codes(start + "MAIL FROM:<a@x> RET=FULL\r\n"), "250 555");
  EXPECT_EQ(codes(start + "MAIL FROM:<a@x> SIZE=-5\r\n"), "250 555");
  EXPECT_EQ(codes(start + "MAIL FROM:<a@x>\r\nRCPT TO:<b@y> NOTIFY=NEVER\r\n"), "250 250 555");
  EXPECT_EQ(codes(start + "MAIL FROM:<m\xc3\xbc@x>\r\n"), "250 553");
  EXPECT_EQ(codes(start + "MAIL FROM:<m\xc3\xbc@x> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@y>\r\n"),
            "250 250 250");
  EXPECT_EQ(codes(std::string("NOOP \0\r\nNOOP \r x\r\n", 18)), "500 500");
}

}  // namespace
}  // namespace qv::wire
