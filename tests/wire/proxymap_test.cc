// SPDX-License-Identifier: 0BSD
#include "wire/proxymap.h"

#include <gtest/gtest.h>

#include "core/text.h"
#include "tests/fakes/golden.h"

namespace qv::wire::proxymap {
namespace {

using namespace std::string_literals;

class Message {
 public:
  explicit Message(std::string bytes) : bytes_(std::move(bytes)) {
    whole_ = decoder_.scan(bytes_) == Frame::whole;
  }
  Parsed parse(Request& request) const {
    EXPECT_TRUE(whole_);
    return parse_request(decoder_, bytes_, request);
  }
  bool parse(Operation operation, Dialect dialect, Reply& reply) const {
    EXPECT_TRUE(whole_);
    return parse_reply(decoder_, bytes_, operation, dialect, reply);
  }
  bool is_greeting() const { return proxymap::is_greeting(decoder_, bytes_); }

 private:
  std::string bytes_;
  AttributeDecoder decoder_;
  bool whole_ = false;
};

class ProxymapGolden : public testing::TestWithParam<std::string> {};

TEST_P(ProxymapGolden, RequestsAndRepliesAreReadAndWrittenToTheByte) {
  for (const GoldenExchange& exchange : read_golden(GetParam())) {
    if (exchange.request.bytes.empty()) {
      std::string greeting;
      append_greeting(greeting);
      EXPECT_EQ(greeting, exchange.reply.bytes);
      EXPECT_TRUE(Message(exchange.reply.bytes).is_greeting());
      continue;
    }
    const Message question(exchange.request.bytes);
    Request request;
    ASSERT_EQ(question.parse(request), Parsed::request);
    const bool newer = GetParam().find("3.12") != std::string::npos;
    EXPECT_EQ(request.dialect, newer ? Dialect::with_flags : Dialect::plain);
    std::string again;
    append_request(again, request);
    EXPECT_EQ(again, exchange.request.bytes);

    const Message answer(exchange.reply.bytes);
    Reply reply;
    ASSERT_TRUE(answer.parse(request.operation, request.dialect, reply));
    std::string reply_again;
    append_reply(reply_again, request.operation, request.dialect, reply);
    EXPECT_EQ(reply_again, exchange.reply.bytes);
  }
}

std::vector<std::string> proxymap_files() {
  std::vector<std::string> out;
  for (const std::string& name : golden_names()) {
    if (name.find("verify") == std::string::npos) out.push_back(name);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(AllFiles, ProxymapGolden, testing::ValuesIn(proxymap_files()),
                         [](const testing::TestParamInfo<std::string>& row) {
                           std::string name = row.param;
                           for (char& c : name) c = isalnum(c) ? c : '_';
                           return name;
                         });

// Attributes as "name=value name=value".
std::string message(std::string_view words) {
  std::string out;
  while (!words.empty()) {
    std::string_view value = take_until(words, ' ');
    const std::string_view name = take_until(value, '=');
    append_attribute(out, name, value);
  }
  end_attributes(out);
  return out;
}

struct Row {
  const char* what;
  const char* words;
  Parsed parsed;
};

class ParseRequest : public testing::TestWithParam<Row> {};

TEST_P(ParseRequest, TellsRequestsFromOthers) {
  Request request;
  EXPECT_EQ(Message(message(GetParam().words)).parse(request), GetParam().parsed);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, ParseRequest,
    testing::Values(
        Row{"lookup", "request=lookup table=a:b flags=0 key=k", Parsed::request},
        Row{"lookup_empty_key", "request=lookup table=a:b flags=0 key=", Parsed::request},
        Row{"lookup_new", "request=lookup table=a:b instance_flags=1 flags=0 key=k",
            Parsed::request},
        Row{"unknown", "request=erase table=a:b flags=0 key=k", Parsed::unknown},
        Row{"no_request", "table=a:b flags=0 key=k", Parsed::malformed},
        Row{"missing_key", "request=lookup table=a:b flags=0", Parsed::malformed},
        Row{"missing_table", "request=lookup flags=0 key=k", Parsed::malformed},
        Row{"missing_flags", "request=lookup table=a:b key=k", Parsed::malformed},
        Row{"other_order", "request=lookup flags=0 table=a:b key=k", Parsed::malformed},
        Row{"one_too_many", "request=lookup table=a:b flags=0 key=k more=1", Parsed::malformed},
        Row{"value_of_a_lookup", "request=lookup table=a:b flags=0 key=k value=v",
            Parsed::malformed},
        Row{"flags_overflow", "request=open table=a:b flags=4294967296", Parsed::malformed},
        Row{"flags_negative", "request=open table=a:b flags=-1", Parsed::malformed},
        Row{"flags_empty", "request=open table=a:b flags=", Parsed::malformed},
        Row{"function_unknown", "request=sequence table=a:b flags=0 function=2", Parsed::malformed},
        Row{"update_without_value", "request=update table=a:b flags=0 key=k", Parsed::malformed}),
    [](const testing::TestParamInfo<Row>& row) { return row.param.what; });

TEST(ParseRequest, TakesEveryProxyOffTheTable) {
  Request request;
  const Message question(message("request=open table=proxy:proxy:cdb:/x flags=7"));
  ASSERT_EQ(question.parse(request), Parsed::request);
  EXPECT_EQ(request.table, "cdb:/x");
  EXPECT_EQ(request.instance_flags, 7u);
}

TEST(ParseReply, ABareStatusIsTroubleOnly) {
  Reply reply;
  EXPECT_TRUE(Message("status\0003\0\0"s).parse(Operation::lookup, Dialect::plain, reply));
  EXPECT_EQ(reply.status, Status::bad);
  EXPECT_FALSE(Message("status\0000\0\0"s).parse(Operation::lookup, Dialect::plain, reply));
  EXPECT_FALSE(Message("status\0001\0\0"s).parse(Operation::lookup, Dialect::plain, reply));
  EXPECT_TRUE(Message("status\0000\0\0"s).parse(Operation::update, Dialect::plain, reply));
}

TEST(ParseReply, RefusesWhatIsNoAnswer) {
  Reply reply;
  for (const char* words : {"status=6 value=x", "status=-1 value=x", "value=x", "status=0 key=x",
                            "status=0 value=x more=y"}) {
    EXPECT_FALSE(Message(message(words)).parse(Operation::lookup, Dialect::plain, reply)) << words;
  }
}

TEST(Greeting, IsThisProtocolsOnly) {
  EXPECT_FALSE(Message(message("protocol=address_verification_prrotocol")).is_greeting());
  EXPECT_TRUE(Message(message("protocol=proxymap_protocol")).is_greeting());
}

}  // namespace
}  // namespace qv::wire::proxymap
