// SPDX-License-Identifier: 0BSD
#include "wire/datagram.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace qv::wire::datagram {
namespace {

using namespace std::string_literals;

constexpr std::string_view kId = "0123456789abcdef";

std::string encode(const Query& query) {
  std::array<char, kMaxDatagram> out;
  return {out.data(), encode_query(query, out)};
}

std::string encode(const Reply& reply) {
  std::array<char, kMaxDatagram> out;
  return {out.data(), encode_reply(reply, out)};
}

Query a_query() {
  Query query;
  query.address = "joe@a.example";
  query.id = kId;
  return query;
}

Reply a_reply() {
  Reply reply;
  reply.result = Result::not_valid;
  reply.position = 5;
  reply.user = "joe";
  reply.id = kId;
  reply.why = "unknown-user";
  return reply;
}

// ---- queries -----------------------------------------------------------------------------------

TEST(DatagramQuery, Forms) {
  struct Row {
    std::string bytes;
    Parsed form;
    std::string_view address;
    std::string_view id;
  };
  const std::string id(kId);
  const Row rows[] = {
      {"joe@a.example", Parsed::legacy, "joe@a.example", ""},
      {"joe@a.example\0"s, Parsed::legacy, "joe@a.example", ""},
      {"", Parsed::legacy, "", ""},
      {"\0"s, Parsed::legacy, "", ""},
      {"a@b\0v=2\0id="s + id + "\0"s, Parsed::extended, "a@b", kId},
      {"\0v=2\0id="s + id + "\0"s, Parsed::extended, "", kId},
      // Unknown fields are passed over, and the first of two counts.
      {"a@b\0v=2\0new=1\0id="s + id + "\0id=fedcba9876543210\0"s, Parsed::extended, "a@b", kId},
      // No extension: no version in front, another one, no id, one that is none, one cut short.
      {"a@b\0id="s + id + "\0"s, Parsed::legacy, "a@b", ""},
      {"a@b\0id="s + id + "\0v=2\0"s, Parsed::legacy, "a@b", ""},
      {"a@b\0v=3\0id="s + id + "\0"s, Parsed::legacy, "a@b", ""},
      {"a@b\0v=2\0"s, Parsed::legacy, "a@b", ""},
      {"a@b\0v=2\0id=0123456789ABCDEF\0"s, Parsed::legacy, "a@b", ""},
      {"a@b\0v=2\0id=0123456789abcde\0"s, Parsed::legacy, "a@b", ""},
      {"a@b\0v=2\0id="s + id, Parsed::legacy, "a@b", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::PrintToString(row.bytes));
    Query query;
    EXPECT_EQ(parse_query(row.bytes, false, query), row.form);
    EXPECT_EQ(query.address, row.address);
    EXPECT_EQ(query.id, row.id);
  }
}

TEST(DatagramQuery, IsWrittenAsItIsRead) {
  Query query = a_query();
  query.client = "192.0.2.1";
  query.helo = "client.example";
  query.sender = "a=b@c.example";
  const std::string bytes = encode(query);
  EXPECT_EQ(bytes,
            "joe@a.example\0v=2\0id=0123456789abcdef\0client=192.0.2.1\0helo=client.example\0"
            "sender=a=b@c.example\0"s);
  Query read;
  ASSERT_EQ(parse_query(bytes, false, read), Parsed::extended);
  EXPECT_EQ(read.address, query.address);
  EXPECT_EQ(read.client, query.client);
  EXPECT_EQ(read.helo, query.helo);
  EXPECT_EQ(read.sender, query.sender);
}

TEST(DatagramQuery, TooLongOnesKeepTheirId) {
  const std::string tail = "\0v=2\0id="s + std::string(kId) + "\0"s;
  const std::string longest(kMaxAddress, 'a');
  const std::string filler = "x=" + std::string(kMaxDatagram - 3 - tail.size() - 3, 'x') + "\0"s;
  struct Row {
    std::string bytes;
    bool truncated;
    Parsed form;
    std::string_view address;
    std::string_view id;
  };
  const Row rows[] = {
      {longest + tail, false, Parsed::extended, longest, kId},
      {longest + "a" + tail, false, Parsed::too_long, longest, kId},
      {longest + "a", false, Parsed::too_long, longest, ""},
      {"a@b" + tail, true, Parsed::too_long, "a@b", kId},
      {"a@b" + tail + filler, false, Parsed::extended, "a@b", kId},
      {"a@b" + tail + "x" + filler, false, Parsed::too_long, "a@b", kId},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.bytes.size());
    Query query;
    EXPECT_EQ(parse_query(row.bytes, row.truncated, query), row.form);
    EXPECT_EQ(query.address, row.address);
    EXPECT_EQ(query.id, row.id);
  }
}

TEST(DatagramQuery, WhatCannotBeAskedIsNotWritten) {
  const std::string too_long(kMaxAddress + 1, 'a');
  const std::string with_nul = "a\0b"s;
  Query query = a_query();
  query.address = too_long;
  EXPECT_EQ(encode(query), "");
  query.address = with_nul;
  EXPECT_EQ(encode(query), "");
  query = a_query();
  query.id = "";
  EXPECT_EQ(encode(query), "");
  query.id = "0123456789abcdeg";
  EXPECT_EQ(encode(query), "");
}

TEST(DatagramQuery, FieldsThatDoNotFitAreLeftOut) {
  const std::string address(kMaxAddress, 'a');
  const std::string sender(300, 's');
  Query query = a_query();
  query.address = address;
  query.client = "192.0.2.1";
  query.sender = sender;
  std::string bytes = encode(query);
  EXPECT_LE(bytes.size(), kMaxDatagram);
  Query read;
  ASSERT_EQ(parse_query(bytes, false, read), Parsed::extended);
  EXPECT_EQ(read.client, "192.0.2.1");
  EXPECT_EQ(read.sender, "");

  query = a_query();
  const std::string with_nul = "x\0id=forged"s;
  query.helo = with_nul;
  bytes = encode(query);
  ASSERT_EQ(parse_query(bytes, false, read), Parsed::extended);
  EXPECT_EQ(read.helo, "x");
}

// ---- replies -----------------------------------------------------------------------------------

TEST(DatagramReply, Forms) {
  const std::string id = "id=" + std::string(kId) + "\0"s;
  const std::string v2 = "\x51joe\0v=2\0"s;
  struct Row {
    std::string bytes;
    ReplyForm form;
  };
  const Row rows[] = {
      {"\x51joe", ReplyForm::legacy},
      {"\x51", ReplyForm::legacy},
      {"\0"s, ReplyForm::legacy},  // valid, position 0
      {"\x51" + std::string(kMaxUser, 'u'), ReplyForm::legacy},
      {v2 + id + "why=unknown-user\0"s, ReplyForm::extended},
      {v2 + id + "why=local\0text=no such user\0"s, ReplyForm::extended},
      {v2 + "why=local\0new=1\0"s + id, ReplyForm::extended},
      {"", ReplyForm::malformed},
      {"\x53joe", ReplyForm::malformed},
      {"\x51" + std::string(kMaxUser + 1, 'u'), ReplyForm::malformed},
      {"\x51joe\0"s, ReplyForm::malformed},
      {"\x51joe\0v=3\0"s + id + "why=local\0"s, ReplyForm::malformed},
      {v2 + "why=local\0"s, ReplyForm::malformed},
      {v2 + "id=0123\0why=local\0"s, ReplyForm::malformed},
      {v2 + id, ReplyForm::malformed},
      {v2 + id + "why=\0"s, ReplyForm::malformed},
      {v2 + id + "why=Local\0"s, ReplyForm::malformed},
      {v2 + id + "why=" + std::string(kMaxWhy + 1, 'w') + "\0"s, ReplyForm::malformed},
      {v2 + id + "why=local", ReplyForm::malformed},  // cut short
      {v2 + id + "why=local\0x"s, ReplyForm::malformed},
      {v2 + id + "why=local\0text=a\nb\0"s, ReplyForm::malformed},
      {v2 + id + "why=local\0text=\xff\0"s, ReplyForm::malformed},
      {v2 + id + "why=local\0text="s + std::string(kMaxText + 1, 't') + "\0"s,
       ReplyForm::malformed},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::PrintToString(row.bytes));
    Reply reply;
    EXPECT_EQ(parse_reply(row.bytes, reply), row.form);
    if (row.form == ReplyForm::extended) {
      EXPECT_EQ(reply.id, kId);
      EXPECT_EQ(reply.user, "joe");
      EXPECT_EQ(reply.result, Result::not_valid);
      EXPECT_EQ(reply.position, 5);
    }
  }
}

TEST(DatagramReply, IsWrittenAsItIsRead) {
  Reply reply = a_reply();
  EXPECT_EQ(encode(reply), "\x51joe\0v=2\0id=0123456789abcdef\0why=unknown-user\0"s);
  reply.text = "no such user";
  const std::string bytes = encode(reply);
  Reply read;
  ASSERT_EQ(parse_reply(bytes, read), ReplyForm::extended);
  EXPECT_EQ(read.why, "unknown-user");
  EXPECT_EQ(read.text, "no such user");
  reply.id = "";
  EXPECT_EQ(encode(reply), "\x51joe");
}

TEST(DatagramReply, WhatItHoldsIsMadeToFit) {
  const std::string user(kMaxUser + 1, 'u');
  const std::string text = "a\r\n\xff\0\x1b"s + std::string(kMaxText, 't');
  Reply reply = a_reply();
  reply.user = user;
  reply.text = text;
  const std::string bytes = encode(reply);
  Reply read;
  ASSERT_EQ(parse_reply(bytes, read), ReplyForm::extended);
  EXPECT_EQ(read.user, user.substr(1));
  EXPECT_EQ(read.text, "a?????" + std::string(kMaxText - 6, 't'));

  const std::string with_nul = "joe\0v=2"s;
  reply.user = with_nul;
  reply.id = "";
  EXPECT_EQ(encode(reply), "\x51joe");
}

TEST(DatagramReply, TheLongestFits) {
  const std::string user(kMaxUser, 'u');
  const std::string id(kMaxId, 'f');
  const std::string why(kMaxWhy, 'w');
  const std::string text(kMaxText, 't');
  Reply reply;
  reply.position = 15;
  reply.user = user;
  reply.id = id;
  reply.why = why;
  reply.text = text;
  const std::string bytes = encode(reply);
  Reply read;
  ASSERT_EQ(parse_reply(bytes, read), ReplyForm::extended);
  EXPECT_EQ(read.position, 15);
  EXPECT_EQ(read.result, Result::undecided);
  EXPECT_EQ(read.text, text);
}

TEST(DatagramId, IsSixteenToThirtyTwoLowerCaseHexDigits) {
  EXPECT_TRUE(is_id(kId));
  EXPECT_TRUE(is_id("0123456789abcdef0123456789abcdef"));
  EXPECT_FALSE(is_id(""));
  EXPECT_FALSE(is_id("0123456789abcde"));
  EXPECT_FALSE(is_id("0123456789abcdef0123456789abcdef0"));
  EXPECT_FALSE(is_id("0123456789abcdeF"));
  EXPECT_FALSE(is_id("0123456789abcde/"));
  EXPECT_FALSE(is_id("0123456789abcde:"));
  EXPECT_FALSE(is_id("0123456789abcdeg"));
}

}  // namespace
}  // namespace qv::wire::datagram
