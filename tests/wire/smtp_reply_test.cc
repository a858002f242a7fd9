// SPDX-License-Identifier: 0BSD
#include "wire/smtp_reply.h"

#include <gtest/gtest.h>

namespace qv::wire {
namespace {

struct Row {
  const char* name;
  std::string bytes;
  Frame frame;
  std::string text;  // of the reply, where it is whole
  std::string rest;  // what is left
};

class Reply : public testing::TestWithParam<Row> {};

TEST_P(Reply, IsTakenAtOnce) {
  SmtpReplyDecoder decoder;
  std::string_view bytes = GetParam().bytes;
  ASSERT_EQ(decoder.take(bytes), GetParam().frame);
  if (GetParam().frame != Frame::whole) return;
  EXPECT_EQ(reply_text(decoder.reply()), GetParam().text);
  EXPECT_EQ(bytes, GetParam().rest);
}

TEST_P(Reply, IsTheSameByteByByte) {
  SmtpReplyDecoder decoder;
  const std::string& all = GetParam().bytes;
  Frame frame = Frame::partial;
  std::size_t used = 0;
  while (frame == Frame::partial && used < all.size()) {
    std::string_view one(all.data() + used, 1);
    frame = decoder.take(one);
    ++used;
  }
  ASSERT_EQ(frame, GetParam().frame);
  if (frame != Frame::whole) return;
  EXPECT_EQ(reply_text(decoder.reply()), GetParam().text);
}

std::string many_lines(int count) {
  std::string out;
  for (int i = 1; i < count; ++i) out += "250-x\r\n";
  return out + "250 x\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Reply,
    testing::Values(
        Row{"One", "250 ok\r\n", Frame::whole, "250 ok", ""},
        Row{"BareLf", "250 ok\n", Frame::whole, "250 ok", ""},
        Row{"CodeAlone", "250\r\n", Frame::whole, "250", ""},
        Row{"CodeAndDash", "250-\r\n250 \r\n", Frame::whole, "250", ""},
        Row{"Multi", "250-a\r\n250-b\r\n250 c\r\n", Frame::whole, "250 a b c", ""},
        Row{"MultiEnhanced", "550-5.1.1 No such\r\n550 5.1.1 user\r\n", Frame::whole,
            "550 5.1.1 No such user", ""},
        Row{"OtherEnhancedStays", "550-5.1.1 a\r\n550 5.7.1 b\r\n", Frame::whole,
            "550 5.1.1 a 5.7.1 b", ""},
        Row{"Left", "250 ok\r\n421 bye\r\n", Frame::whole, "250 ok", "421 bye\r\n"},
        Row{"CrInside", "550 a\rb\r\n", Frame::whole, "550 a?b", ""},
        Row{"HighAndNul", std::string("550 \xc3\xa4\0x\r\n", 10), Frame::whole, "550 ???x", ""},
        Row{"HalfALine", "250 o", Frame::partial, "", ""},
        Row{"HalfAReply", "250-o\r\n", Frame::partial, "", ""},
        Row{"CodesDiffer", "250-a\r\n550 b\r\n", Frame::malformed, "", ""},
        Row{"NoCode", "hello\r\n", Frame::malformed, "", ""},
        Row{"ShortCode", "25\r\n", Frame::malformed, "", ""},
        Row{"FourDigits", "2500 x\r\n", Frame::malformed, "", ""},
        Row{"TabBehindCode", "250\tx\r\n", Frame::malformed, "", ""},
        Row{"CodeTooSmall", "199 x\r\n", Frame::malformed, "", ""},
        Row{"CodeTooLarge", "600 x\r\n", Frame::malformed, "", ""},
        Row{"EmptyLine", "\r\n", Frame::malformed, "", ""},
        Row{"LongestLine", "250 " + std::string(2044, 'x') + "\r\n", Frame::whole,
            "250 " + std::string(2044, 'x'), ""},
        Row{"LineTooLong", "250 " + std::string(2045, 'x') + "\r\n", Frame::malformed, "", ""},
        Row{"NeverEnding", std::string(5000, '2'), Frame::malformed, "", ""},
        Row{"TooManyLines", many_lines(101), Frame::malformed, "", ""}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(SmtpReply, TakesOneAfterTheOther) {
  SmtpReplyDecoder decoder;
  std::string_view bytes = "220 a\r\n250-b\r\n250 c\r\n";
  ASSERT_EQ(decoder.take(bytes), Frame::whole);
  EXPECT_EQ(decoder.reply().code, 220);
  ASSERT_EQ(decoder.take(bytes), Frame::whole);
  EXPECT_EQ(decoder.reply().code, 250);
  EXPECT_EQ(decoder.reply().lines, (std::vector<std::string>{"b", "c"}));
}

TEST(SmtpReply, AllowsAHundredLines) {
  SmtpReplyDecoder decoder;
  const std::string lines = many_lines(100);
  std::string_view bytes = lines;
  EXPECT_EQ(decoder.take(bytes), Frame::whole);
}

TEST(EnhancedCode, IsFoundAtTheFrontOnly) {
  EXPECT_EQ(parse_enhanced_code("5.1.1 no"), (EnhancedCode{5, 1, 1}));
  EXPECT_EQ(parse_enhanced_code("5.1.10"), (EnhancedCode{5, 1, 10}));
  EXPECT_EQ(parse_enhanced_code("4.999.999 x"), (EnhancedCode{4, 999, 999}));
  for (const char* text : {"", "5.1", "5.1. x", "3.1.1 x", "51.1 x", "5.1.1x", "5.1.1.1 x",
                           "5.1.1234 x", " 5.1.1 x", "-5.1.1", "5..1"}) {
    EXPECT_EQ(parse_enhanced_code(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace qv::wire
