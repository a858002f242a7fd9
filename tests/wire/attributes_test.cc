// SPDX-License-Identifier: 0BSD
#include "wire/attributes.h"

#include <gtest/gtest.h>

#include "tests/fakes/golden.h"

namespace qv::wire {
namespace {

using namespace std::string_literals;

std::string encode(const GoldenAttributes& attributes) {
  std::string out;
  for (const auto& [name, value] : attributes) append_attribute(out, name, value);
  end_attributes(out);
  return out;
}

// True if the message consists of exactly these attributes.
bool holds(const AttributeDecoder& decoder, std::string_view bytes,
           const GoldenAttributes& attributes) {
  AttributeReader reader(decoder, bytes);
  for (const auto& [name, value] : attributes) {
    if (reader.text(name) != value) return false;
  }
  return reader.done();
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, IsDecodedAndEncodedToTheByte) {
  int messages = 0;
  for (const GoldenExchange& exchange : read_golden(GetParam())) {
    for (const GoldenMessage* message : {&exchange.request, &exchange.reply}) {
      if (message->bytes.empty()) continue;
      AttributeDecoder decoder;
      ASSERT_EQ(decoder.scan(message->bytes), Frame::whole);
      EXPECT_EQ(decoder.size(), message->bytes.size());
      EXPECT_TRUE(holds(decoder, message->bytes, message->attributes));
      EXPECT_EQ(encode(message->attributes), message->bytes);
      ++messages;
    }
  }
  EXPECT_GT(messages, 10);
}

INSTANTIATE_TEST_SUITE_P(AllFiles, Golden, testing::ValuesIn(golden_names()),
                         [](const testing::TestParamInfo<std::string>& row) {
                           std::string name = row.param;
                           for (char& c : name) c = isalnum(c) ? c : '_';
                           return name;
                         });

const std::string kOpen = "request\0open\0table\0cdb:/x\0flags\0000\0\0"s;

TEST(AttributeDecoder, WaitsForEveryByteAndThenHasTheMessage) {
  AttributeDecoder decoder;
  for (std::size_t n = 0; n < kOpen.size(); ++n) {
    ASSERT_EQ(decoder.scan(kOpen.substr(0, n)), Frame::partial) << n;
  }
  ASSERT_EQ(decoder.scan(kOpen), Frame::whole);
  EXPECT_TRUE(holds(decoder, kOpen, {{"request", "open"}, {"table", "cdb:/x"}, {"flags", "0"}}));
}

TEST(AttributeDecoder, LeavesTheBytesOfTheNextMessage) {
  AttributeDecoder decoder;
  const std::string two = kOpen + kOpen;
  ASSERT_EQ(decoder.scan(two), Frame::whole);
  EXPECT_EQ(decoder.size(), kOpen.size());
  decoder.reset();
  ASSERT_EQ(decoder.scan(two.substr(kOpen.size())), Frame::whole);
  EXPECT_EQ(decoder.size(), kOpen.size());
}

TEST(AttributeDecoder, CarriesEmptyAndLongValues) {
  std::string bytes;
  append_attribute(bytes, "key", "");
  append_attribute(bytes, "value", std::string(65536, 'v'));
  end_attributes(bytes);
  AttributeDecoder decoder;
  ASSERT_EQ(decoder.scan(bytes), Frame::whole);
  EXPECT_TRUE(holds(decoder, bytes, {{"key", ""}, {"value", std::string(65536, 'v')}}));
}

struct Bad {
  const char* what;
  std::string bytes;
};
class Refused : public testing::TestWithParam<Bad> {};

TEST_P(Refused, IsMalformed) {
  AttributeDecoder decoder({.message = 1000, .name = 8});
  EXPECT_EQ(decoder.scan(GetParam().bytes), Frame::malformed);
}

std::string many_attributes(std::size_t n) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) append_attribute(out, "a", "b");
  end_attributes(out);
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    AttributeDecoder, Refused,
    testing::Values(Bad{"message_without_attributes", "\0"s},
                    Bad{"name_too_long", "123456789\0x\0\0"s},
                    Bad{"name_without_end", "123456789"s},
                    Bad{"value_without_end", "value\0"s + std::string(1000, 'x')},
                    Bad{"message_one_over", "value\0"s + std::string(993, 'x') + "\0\0"s},
                    Bad{"too_many", many_attributes(17)}),
    [](const testing::TestParamInfo<Bad>& row) { return row.param.what; });

TEST(AttributeDecoder, TakesWhatIsJustWithinTheLimits) {
  AttributeDecoder decoder({.message = 1000, .name = 8});
  EXPECT_EQ(decoder.scan("12345678\0"s + std::string(989, 'x') + "\0\0"s), Frame::whole);
  decoder.reset();
  EXPECT_EQ(decoder.scan(many_attributes(16)), Frame::whole);
}

TEST(AttributeReader, TakesAttributesInTheirOrder) {
  AttributeDecoder decoder;
  ASSERT_EQ(decoder.scan(kOpen), Frame::whole);
  AttributeReader reader(decoder, kOpen);
  EXPECT_EQ(reader.text("request"), "open");
  EXPECT_TRUE(reader.next_is("table"));
  EXPECT_EQ(reader.text("table"), "cdb:/x");
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.number("flags"), 0u);
  EXPECT_TRUE(reader.done());
}

TEST(AttributeReader, StaysFailedAfterAnotherName) {
  AttributeDecoder decoder;
  ASSERT_EQ(decoder.scan(kOpen), Frame::whole);
  AttributeReader reader(decoder, kOpen);
  EXPECT_EQ(reader.text("table"), "");
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.text("request"), "");
  EXPECT_FALSE(reader.done());
}

TEST(AttributeReader, FailsAtTheEnd) {
  AttributeDecoder decoder;
  const std::string bytes = "a\0b\0\0"s;
  ASSERT_EQ(decoder.scan(bytes), Frame::whole);
  AttributeReader reader(decoder, bytes);
  EXPECT_EQ(reader.text("a"), "b");
  EXPECT_EQ(reader.text("c"), "");
  EXPECT_TRUE(reader.failed());
}

TEST(AttributeReader, RefusesWhatIsNoNumber) {
  for (const char* text : {"", "-1", "4294967296", "1x", " 1"}) {
    std::string bytes;
    append_attribute(bytes, "flags", text);
    end_attributes(bytes);
    AttributeDecoder decoder;
    ASSERT_EQ(decoder.scan(bytes), Frame::whole);
    AttributeReader reader(decoder, bytes);
    reader.number("flags");
    EXPECT_TRUE(reader.failed()) << text;
  }
}

TEST(AppendAttribute, WritesNumbersToTheLast) {
  std::string out;
  append_attribute(out, "n", std::uint32_t{4294967295u});
  EXPECT_EQ(out, "n\0004294967295\0"s);
}

TEST(AppendAttribute, EndsAValueAtItsNul) {
  std::string out;
  append_attribute(out, "v", "ab\0cd"s);
  EXPECT_EQ(out, "v\0ab\0"s);
}

}  // namespace
}  // namespace qv::wire
