// SPDX-License-Identifier: 0BSD
#include "wire/socketmap.h"

#include <gtest/gtest.h>

namespace qv::wire::socketmap {
namespace {

TEST(Socketmap, ReadsARequest) {
  Request request;
  std::size_t size = 0;
  ASSERT_EQ(parse_request("11:virt a@b.ex,junk", request, size), Frame::whole);
  EXPECT_EQ(request.name, "virt");
  EXPECT_EQ(request.key, "a@b.ex");
  EXPECT_EQ(size, 15u);
}

TEST(Socketmap, AKeyMayBeEmptyAndHoldSpaces) {
  for (const char* key : {"", " ", "a b c"}) {
    std::string bytes;
    ASSERT_TRUE(append_request(bytes, {"m", key}));
    Request request;
    std::size_t size = 0;
    ASSERT_EQ(parse_request(bytes, request, size), Frame::whole);
    EXPECT_EQ(request.key, key);
  }
}

TEST(Socketmap, RefusesWhatIsNoRequest) {
  Request request;
  std::size_t size = 0;
  for (const char* bytes : {"4:name,", "4: key,", "0:,", "10001:", "get x\n"}) {
    EXPECT_EQ(parse_request(bytes, request, size), Frame::malformed) << bytes;
  }
  EXPECT_EQ(parse_request("10000:n k", request, size), Frame::partial);
}

TEST(Socketmap, WritesNoRequestThatWouldBeMisread) {
  std::string out;
  EXPECT_FALSE(append_request(out, {"two words", "k"}));
  EXPECT_FALSE(append_request(out, {"", "k"}));
  EXPECT_FALSE(append_request(out, {"m", std::string(kMaxRequest, 'k')}));
  EXPECT_EQ(out, "");
}

TEST(Socketmap, EveryStatusIsReadAsItWasWritten) {
  for (const Status status :
       {Status::ok, Status::not_found, Status::temporary, Status::timeout, Status::permanent}) {
    std::string bytes;
    append_reply(bytes, {status, "some text"});
    Reply reply;
    std::size_t size = 0;
    ASSERT_EQ(parse_reply(bytes, reply, size), Frame::whole);
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.text, "some text");
    EXPECT_EQ(size, bytes.size());
  }
}

TEST(Socketmap, TheBytesOfRepliesAreThoseOfTheManual) {
  std::string out;
  append_reply(out, {Status::ok, "x"});
  append_reply(out, {Status::not_found, ""});
  EXPECT_EQ(out, "4:OK x,9:NOTFOUND ,");
}

TEST(Socketmap, AnUnknownStatusIsNoAnswer) {
  Reply reply;
  std::size_t size = 0;
  EXPECT_EQ(parse_reply("5:MAYBE,", reply, size), Frame::malformed);
  EXPECT_EQ(parse_reply("4:ok x,", reply, size), Frame::malformed);
  EXPECT_EQ(parse_reply("8:NOTFOUND,", reply, size), Frame::whole);
}

TEST(Socketmap, AValueTooLongIsAFaultNotHalfAValue) {
  std::string out;
  append_reply(out, {Status::ok, std::string(kMaxReply, 'v')});
  Reply reply;
  std::size_t size = 0;
  ASSERT_EQ(parse_reply(out, reply, size), Frame::whole);
  EXPECT_EQ(reply.status, Status::permanent);
}

}  // namespace
}  // namespace qv::wire::socketmap
