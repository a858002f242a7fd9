// SPDX-License-Identifier: 0BSD
// What clients of each stream protocol are told, and the words of LISTEN.  Conversations:
// tests/e2e/streams.py.
#include "verify/stream_service.h"

#include <gtest/gtest.h>

#include "event/listen.h"

namespace qv::verify {
namespace {

std::string told(StreamProtocol protocol, rcpt::Why why, std::string_view text = {}) {
  rcpt::Decision decision = decided_without_looking(why);
  decision.text.assign_cut(text);
  std::string out;
  append_answer(out, protocol, "joe@x.example", decision);
  return out;
}

constexpr StreamProtocol kPolicy = StreamProtocol::policy;
constexpr StreamProtocol kSocketmap = StreamProtocol::socketmap;
constexpr StreamProtocol kTcp = StreamProtocol::tcp_table;

TEST(StreamAnswer, OfPolicy) {
  for (const rcpt::Why why : {rcpt::Why::local, rcpt::Why::alias, rcpt::Why::dotqmail,
                              rcpt::Why::default_file, rcpt::Why::relay}) {
    EXPECT_EQ(told(kPolicy, why), "action=DUNNO\n\n");
  }
  EXPECT_EQ(told(kPolicy, rcpt::Why::unknown_user),
            "action=550 5.1.1 there is no mailbox of this name here\n\n");
  EXPECT_EQ(told(kPolicy, rcpt::Why::disabled), "action=550 5.2.1 this mailbox is disabled\n\n");
  EXPECT_EQ(told(kPolicy, rcpt::Why::syntax), "action=550 5.1.3 this is not a mail address\n\n");
  EXPECT_EQ(told(kPolicy, rcpt::Why::bounced, "Moved."), "action=550 5.1.1 Moved.\n\n");
  EXPECT_EQ(told(kPolicy, rcpt::Why::timeout, "not told"),
            "action=DEFER_IF_PERMIT 4.3.0 this address cannot be checked now, please try again "
            "later\n\n");
}

TEST(StreamAnswer, OfSocketmap) {
  EXPECT_EQ(told(kSocketmap, rcpt::Why::local), "16:OK joe@x.example,");
  EXPECT_EQ(told(kSocketmap, rcpt::Why::unknown_user), "9:NOTFOUND ,");
  EXPECT_EQ(told(kSocketmap, rcpt::Why::home_error),
            "63:TEMP this address cannot be checked now, please try again later,");
}

TEST(StreamAnswer, OfTcpTable) {
  EXPECT_EQ(told(kTcp, rcpt::Why::local), "200 joe@x.example\n");
  EXPECT_EQ(told(kTcp, rcpt::Why::unknown_user).substr(0, 4), "500 ");
  EXPECT_EQ(told(kTcp, rcpt::Why::table_error).substr(0, 4), "400 ");
}

TEST(StreamAnswer, AFaultIsNeverAbsence) {
  for (const rcpt::Why why : {rcpt::Why::control_error, rcpt::Why::table_error,
                              rcpt::Why::passwd_error, rcpt::Why::home_error, rcpt::Why::timeout}) {
    EXPECT_EQ(told(kPolicy, why).substr(0, 13), "action=DEFER_");
    EXPECT_EQ(told(kSocketmap, why).substr(3, 4), "TEMP");
    EXPECT_EQ(told(kTcp, why).substr(0, 4), "400 ");
  }
}

std::optional<StreamProtocol> protocol_of(std::string_view word) {
  return parse_stream_protocol(word);
}

TEST(ListenWords, OfStreams) {
  for (const char* word : {"policy:unix:/p", "policy:inet:127.0.0.1:10031", "socketmap:unix:/s",
                           "tcp_table:inet:[::1]:10", "policy:x"}) {
    EXPECT_TRUE(protocol_of(word).has_value()) << word;
  }
  for (const char* word :
       {"127.0.0.1:11113", "[::1]:11113", "unix:/p", "policy", "polic:unix:/p"}) {
    EXPECT_FALSE(protocol_of(word).has_value()) << word;
  }
  EXPECT_EQ(protocol_of("tcp_table:unix:/t"), kTcp);
  std::string_view rest = "socketmap:inet:127.0.0.1:5";
  EXPECT_EQ(parse_stream_protocol(rest), kSocketmap);
  EXPECT_EQ(event::parse_stream_address(rest).value().text, "inet:127.0.0.1:5");
  for (const char* word :
       {"policy:", "policy:x", "policy:unix:", "policy:unix:relative", "policy:inet:127.0.0.1",
        "policy:inet:localhost:5", "socketmap:inet:127.0.0.1:99999", "policy:127.0.0.1:5"}) {
    std::string_view address = word;
    ASSERT_TRUE(parse_stream_protocol(address).has_value()) << word;
    EXPECT_FALSE(event::parse_stream_address(address).ok()) << word;
  }
}

}  // namespace
}  // namespace qv::verify
