// SPDX-License-Identifier: 0BSD
#include "wire/tcp_table.h"

#include <gtest/gtest.h>

namespace qv::wire::tcp_table {
namespace {

using namespace std::string_literals;

TEST(TcpTable, ReadsARequest) {
  std::string key;
  std::size_t size = 0;
  ASSERT_EQ(parse_request("get a%20b@x%25\nget next\n", key, size), Frame::whole);
  EXPECT_EQ(key, "a b@x%");
  EXPECT_EQ(size, 15u);
  ASSERT_EQ(parse_request("get x\r\n", key, size), Frame::whole);
  EXPECT_EQ(key, "x");
}

TEST(TcpTable, EveryByteSurvives) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  std::string bytes;
  ASSERT_TRUE(append_request(bytes, all));
  for (const char c : bytes) EXPECT_TRUE((c >= ' ' && c <= '~') || c == '\n');
  std::string key;
  std::size_t size = 0;
  ASSERT_EQ(parse_request(bytes, key, size), Frame::whole);
  EXPECT_EQ(key, all);
}

TEST(TcpTable, RefusesWhatIsNoRequest) {
  std::string key;
  std::size_t size = 0;
  for (const std::string& bytes :
       {"put a b\n"s, "get\n"s, "get %\n"s, "get %4\n"s, "get %zz\n"s, "\n"s,
        "get "s + std::string(4093, 'k') + "\n", std::string(4098, 'x')}) {
    EXPECT_EQ(parse_request(bytes, key, size), Frame::malformed) << bytes.substr(0, 10);
  }
  EXPECT_EQ(parse_request("get "s + std::string(4092, 'k') + "\n", key, size), Frame::whole);
  EXPECT_EQ(parse_request("get x", key, size), Frame::partial);
}

TEST(TcpTable, AKeyTooLongIsNotSent) {
  std::string out;
  EXPECT_FALSE(append_request(out, std::string(4093, 'k')));
  EXPECT_EQ(out, "");
  EXPECT_TRUE(append_request(out, std::string(4092, 'k')));
}

TEST(TcpTable, RepliesSayOneOfThree) {
  std::string out;
  append_reply(out, Status::found, "a value");
  append_reply(out, Status::not_found, "no");
  append_reply(out, Status::retry, "later");
  EXPECT_EQ(out, "200 a%20value\n500 no\n400 later\n");
  Reply reply;
  std::size_t size = 0;
  ASSERT_EQ(parse_reply(out, reply, size), Frame::whole);
  EXPECT_EQ(reply.status, Status::found);
  EXPECT_EQ(reply.text, "a value");
}

TEST(TcpTable, OtherCodesAreNoAnswer) {
  Reply reply;
  std::size_t size = 0;
  for (const char* bytes : {"250 ok\n", "2000 x\n", "200\n", "200 %zz\n", "\n"}) {
    EXPECT_EQ(parse_reply(bytes, reply, size), Frame::malformed) << bytes;
  }
  EXPECT_EQ(parse_reply("500 100% sure\n", reply, size), Frame::whole);
  EXPECT_EQ(reply.text, "100% sure");
}

TEST(TcpTable, AValueTooLongIsAFaultNotHalfAValue) {
  std::string out;
  append_reply(out, Status::found, std::string(4093, 'v'));
  Reply reply;
  std::size_t size = 0;
  ASSERT_EQ(parse_reply(out, reply, size), Frame::whole);
  EXPECT_EQ(reply.status, Status::retry);
  out.clear();
  append_reply(out, Status::not_found, std::string(5000, '%'));
  ASSERT_EQ(parse_reply(out, reply, size), Frame::whole);
  EXPECT_EQ(reply.status, Status::not_found);
}

}  // namespace
}  // namespace qv::wire::tcp_table
