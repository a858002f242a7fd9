// SPDX-License-Identifier: 0BSD
#include "wire/address_verify.h"

#include <gtest/gtest.h>

#include "tests/fakes/verify_reply.h"

namespace qv::wire::address_verify {
namespace {

std::string bytes_of(std::string text) {
  for (char& c : text) c = c == '|' ? '\0' : c;
  return text;
}

// "0 2 probe reason", or "?" for what is no reply.
std::string read(const std::string& text) {
  const std::string bytes = bytes_of(text);
  AttributeDecoder decoder;
  if (decoder.scan(bytes) != Frame::whole) return "not whole";
  Reply reply;
  if (!parse_reply(decoder, bytes, reply)) return "?";
  if (reply.status != kStatusOk) return std::to_string(reply.status);
  return "0 " + std::to_string(static_cast<int>(reply.recipient)) + " " + std::string(reply.why) +
         " " + std::string(reply.reason);
}

TEST(AddressVerify, AQuery) {
  std::string out;
  append_query(out, "joe@x.example", 3000);
  EXPECT_EQ(out, bytes_of("request|query|address|joe@x.example|wait|3000||"));
}

TEST(AddressVerify, Replies) {
  EXPECT_EQ(read("status|0|recipient_status|0|reason|250 ok|why|probe||"), "0 0 probe 250 ok");
  EXPECT_EQ(read("status|0|recipient_status|3|reason||why|probe-pending||"), "0 3 probe-pending ");
  EXPECT_EQ(read("status|4294967295||"), "4294967295");
  EXPECT_EQ(read("status|4294967294||"), "4294967294");
}

TEST(AddressVerify, WhatIsNoReply) {
  for (const char* text :
       {"status|0||", "status|0|recipient_status|4|reason|x|why|probe||",
        "status|0|recipient_status|0|reason|x||", "status|0|recipient_status|0|why|probe||",
        "status|0|recipient_status|-1|reason|x|why|probe||", "status||recipient_status|0||",
        "status|0|recipient_status|0|reason|x|why|probe|more|x||", "status|1|reason|x||",
        "recipient_status|0|status|0|reason|x|why|probe||", "protocol|x||"}) {
    EXPECT_EQ(read(text), "?") << text;
  }
}

TEST(AddressVerify, AReplyIsReadAsItWasWritten) {
  std::string out;
  address_verify::append_reply(out, {0, Recipient::bounce, "550 no", "probe"});
  EXPECT_EQ(out, bytes_of("status|0|recipient_status|2|reason|550 no|why|probe||"));
  out.clear();
  address_verify::append_reply(out, {7, Recipient::ok, "x", "y"});
  EXPECT_EQ(out, bytes_of("status|7||"));
}

}  // namespace
}  // namespace qv::wire::address_verify
