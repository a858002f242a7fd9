// SPDX-License-Identifier: 0BSD
#include "wire/dns.h"

#include <gtest/gtest.h>

namespace qv::wire::dns {
namespace {

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string labels(const std::string& name) {
  std::string out;
  std::size_t begin = 0;
  while (begin < name.size()) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    out += static_cast<char>(end - begin) + name.substr(begin, end - begin);
    begin = end + 1;
  }
  return out + '\0';
}

// A reply with these answer records, the question being x.example at offset 12.
class MxReply : public testing::Test {
 protected:
  std::string reply(const std::vector<std::string>& answers, unsigned flags = 0x8180,
                    unsigned id = 7) {
    std::string out = u16(id) + u16(flags) + u16(1) + u16(static_cast<unsigned>(answers.size())) +
                      u16(0) + u16(0) + labels("x.example") + u16(15) + u16(1);
    for (const std::string& answer : answers) out += answer;
    return out;
  }
  static std::string record(unsigned type, const std::string& data,
                            const std::string& owner = "\xc0\x0c") {
    return owner + u16(type) + u16(1) + std::string("\0\0\1\0", 4) +
           u16(static_cast<unsigned>(data.size())) + data;
  }
  static std::string mx(unsigned preference, const std::string& name) {
    return record(15, u16(preference) + name);
  }
  Reply parse(const std::string& bytes) {
    records_.clear();
    return parse_mx_reply(bytes, query_, records_);
  }

  std::string query_ = encode_mx_query(7, "X.example");
  std::vector<Mx> records_;
};

TEST_F(MxReply, IsReadMostPreferredFirst) {
  ASSERT_EQ(parse(reply({mx(20, labels("b.example")), mx(10, labels("A.Example")),
                         mx(20, std::string("\1c\xc0\x0e", 4))})),
            Reply::answer);
  EXPECT_EQ(records_, (std::vector<Mx>{{10, "a.example"}, {20, "b.example"}, {20, "c.example"}}));
}

TEST_F(MxReply, PassesOverOtherRecords) {
  ASSERT_EQ(parse(reply({record(5, labels("alias.example")), mx(10, labels("a.example"))})),
            Reply::answer);
  EXPECT_EQ(records_, (std::vector<Mx>{{10, "a.example"}}));
  ASSERT_EQ(parse(reply({mx(0, std::string(1, '\0'))})), Reply::answer);
  EXPECT_EQ(records_, (std::vector<Mx>{{0, "."}}));
  ASSERT_EQ(parse(reply({mx(10, labels("a b.example"))})), Reply::answer);
  EXPECT_TRUE(records_.empty());
}

TEST_F(MxReply, TellsNothingFromNoAnswer) {
  EXPECT_EQ(parse(reply({})), Reply::answer);
  EXPECT_EQ(parse(reply({}, 0x8183)), Reply::answer);
  EXPECT_EQ(parse(reply({}, 0x8182)), Reply::failure);
  EXPECT_EQ(parse(reply({}, 0x8185)), Reply::failure);
  EXPECT_EQ(parse(reply({}, 0x8380)), Reply::truncated);
}

TEST_F(MxReply, WaitsOnWhereTheReplyIsNotToThisQuestion) {
  EXPECT_EQ(parse(""), Reply::foreign);
  EXPECT_EQ(parse(reply({}, 0x8180, 8)), Reply::foreign);
  EXPECT_EQ(parse(reply({}, 0x0180)), Reply::foreign);
  EXPECT_EQ(parse(query_), Reply::foreign);
  std::string other = reply({});
  other[13] = 'y';
  EXPECT_EQ(parse(other), Reply::foreign);
}

TEST_F(MxReply, NamesThatRunInCirclesOrOffTheEndAreNotBelieved) {
  EXPECT_EQ(parse(reply({mx(10, std::string("\xc0\x2d", 2))})), Reply::failure);
  EXPECT_EQ(parse(reply({mx(10, std::string("\xff\xff", 2))})), Reply::failure);
  EXPECT_EQ(parse(reply({mx(10, "\x3fshort")})), Reply::failure);
  EXPECT_EQ(parse(reply({mx(10, labels("a.example") + "surplus")})), Reply::failure);
  const std::string whole = reply({mx(10, labels("a.example"))});
  for (std::size_t size = 27; size < whole.size(); ++size) {
    EXPECT_NE(parse(whole.substr(0, size)), Reply::answer) << size;
  }
}

TEST(MxQuery, RefusesWhatIsNoName) {
  EXPECT_EQ(encode_mx_query(1, "x.example").substr(12, 15), labels("x.example") + u16(15) + u16(1));
  EXPECT_EQ(encode_mx_query(1, "x.example."), encode_mx_query(1, "x.example"));
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"),
        "a." + std::string(64, 'x'), std::string(300, 'x'), std::string("a..")}) {
    EXPECT_EQ(encode_mx_query(1, name), "") << name;
  }
}

}  // namespace
}  // namespace qv::wire::dns
