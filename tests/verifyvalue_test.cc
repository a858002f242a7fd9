// SPDX-License-Identifier: 0BSD
#include "verifyvalue.h"

#include <gtest/gtest.h>

#include <string>

namespace qv {
namespace {

// The value as it was understood, in one line; or the item and "?", where it was not.
std::string read_as(std::string_view text) {
  VerifyValue value;
  if (const auto mistake = parse_verify_value(text, value)) {
    EXPECT_STRNE(mistake->rule, "");
    return std::string(mistake->item) + "?";
  }
  std::string out = value.defer ? "DEFER" : "RCPT";
  for (std::size_t i = 0; i < value.servers; ++i) {
    char endpoint[kEndpointText];
    out.append(" ").append(endpoint, format_endpoint(value.server[i], endpoint, sizeof endpoint));
  }
  out += " " + std::to_string(value.timeout) + "/" + std::to_string(value.tries);
  if (value.maxbad != 0) out += " maxbad " + std::to_string(value.maxbad);
  if (value.badsleep != 0) out += " badsleep " + std::to_string(value.badsleep);
  return out + (value.tempok ? " tempok" : "") + (value.legacy ? " legacy" : "");
}

struct Row {
  const char* name;
  std::string text;
  std::string expected;
};

class ReadsValue : public ::testing::TestWithParam<Row> {};
TEST_P(ReadsValue, As) { EXPECT_EQ(read_as(GetParam().text), GetParam().expected); }

const char kEight[] = ":1,:2,:3,:4,:5,:6,:7,:8";

INSTANTIATE_TEST_SUITE_P(
    VerifyValue, ReadsValue,
    ::testing::Values(
        Row{"On", ":", "RCPT 127.0.0.1:11113 5/3"},
        Row{"Defer", "DEFER", "DEFER 127.0.0.1:11113 5/3"},
        Row{"DeferInShort", "d", "DEFER 127.0.0.1:11113 5/3"},
        Row{"DeferAnyWord", "Delay", "DEFER 127.0.0.1:11113 5/3"},
        Row{"DeferAt", "DEFER,:10101", "DEFER 127.0.0.1:10101 5/3"},
        Row{"DeferAndOption", "DEFER,tempok", "DEFER 127.0.0.1:11113 5/3 tempok"},
        Row{"Host", "192.168.1.1", "RCPT 192.168.1.1:11113 5/3"},
        Row{"Port", ":10101", "RCPT 127.0.0.1:10101 5/3"},
        Row{"HostAndPort", "192.168.1.1:10101", "RCPT 192.168.1.1:10101 5/3"},
        Row{"Several", "[2001:db8::1]:11113,192.0.2.2",
            "RCPT [2001:db8::1]:11113 192.0.2.2:11113 5/3"},
        Row{"Unix", "unix:/run/qmail-verify.sock", "RCPT unix:/run/qmail-verify.sock 5/3"},
        Row{"All", ":,timeout=60,tries=10,maxbad=10,badsleep=2,tempok,legacy",
            "RCPT 127.0.0.1:11113 60/10 maxbad 10 badsleep 2 tempok legacy"},
        Row{"OptionsFirst", "timeout=1,tries=1,badsleep=0,:1,:2",
            "RCPT 127.0.0.1:1 127.0.0.1:2 1/1"},
        Row{"EightServers", kEight,
            "RCPT 127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 127.0.0.1:4 127.0.0.1:5 127.0.0.1:6 "
            "127.0.0.1:7 127.0.0.1:8 5/3"},
        Row{"NineServers", std::string(kEight) + ",:9", ":9?"},
        Row{"Name", "verify.example.org", "verify.example.org?"},
        Row{"NameThatBeginsWithD", "d.example.org", "d.example.org?"},
        Row{"DeferWithoutComma", "DEFER:10101", "DEFER:10101?"},
        Row{"DeferLater", ":,DEFER", "DEFER?"}, Row{"Blank", " :", " :?"},
        Row{"PortNought", ":0", ":0?"}, Row{"CommaAtTheEnd", ":,", "?"},
        Row{"CommaInFront", ",:", "?"}, Row{"OnlyComma", ",", "?"},
        Row{"DeferAndComma", "DEFER,", "?"}, Row{"TimeoutNought", ":,timeout=0", "timeout=0?"},
        Row{"TimeoutTooLong", ":,timeout=61", "timeout=61?"},
        Row{"TimeoutEmpty", ":,timeout=", "timeout=?"},
        Row{"TimeoutAlone", ":,timeout", "timeout?"},
        Row{"TimeoutNoNumber", ":,timeout=5s", "timeout=5s?"},
        Row{"TimeoutHuge", ":,timeout=18446744073709551617", "timeout=18446744073709551617?"},
        Row{"TriesNought", ":,tries=0", "tries=0?"}, Row{"TriesTooMany", ":,tries=11", "tries=11?"},
        Row{"MaxbadNought", ":,maxbad=0", "maxbad=0?"},
        Row{"BadsleepTooLong", ":,badsleep=61", "badsleep=61?"},
        Row{"FlagWithValue", ":,tempok=1", "tempok=1?"},
        Row{"FlagInCapitals", ":,LEGACY", "LEGACY?"},
        Row{"OptionTwice", ":,tries=2,tries=2", "tries=2?"},
        Row{"FlagTwice", ":,legacy,tempok,legacy", "legacy?"},
        Row{"Unknown", ":,retries=2", "retries=2?"},
        Row{"Nul", std::string(":\0", 2), std::string(":\0?", 3)}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace qv
