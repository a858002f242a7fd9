// SPDX-License-Identifier: 0BSD
#include "wire/smtp_address.h"

#include <gtest/gtest.h>

namespace qv::wire {
namespace {

TEST(SmtpMailbox, QuotesWhatIsNoDotString) {
  EXPECT_EQ(smtp_mailbox("joe@x.example"), "joe@x.example");
  EXPECT_EQ(smtp_mailbox("a.b+c-d=e@x"), "a.b+c-d=e@x");
  EXPECT_EQ(smtp_mailbox("joe doe@x"), "\"joe doe\"@x");
  EXPECT_EQ(smtp_mailbox("a@b@x"), "\"a@b\"@x");
  EXPECT_EQ(smtp_mailbox("a\"b\\c@x"), "\"a\\\"b\\\\c\"@x");
  EXPECT_EQ(smtp_mailbox(".a@x"), "\".a\"@x");
  EXPECT_EQ(smtp_mailbox("a..b@x"), "\"a..b\"@x");
  EXPECT_EQ(smtp_mailbox("a.@x"), "\"a.\"@x");
  EXPECT_EQ(smtp_mailbox("a>b@x"), "\"a>b\"@x");
  EXPECT_EQ(smtp_mailbox("joe@[192.0.2.1]"), "joe@[192.0.2.1]");
  EXPECT_EQ(smtp_mailbox("joe@[IPv6:2001:db8::1]"), "joe@[IPv6:2001:db8::1]");
  EXPECT_EQ(smtp_mailbox("j\xc3\xb6@x"), "j\xc3\xb6@x");
}

TEST(SmtpMailbox, RefusesWhatNoCommandCanCarry) {
  for (const std::string address :
       {"", "joe", "@x", "joe@", "a\r\nRSET@x", "a\n@x", "joe@x>", "joe@x y", "joe@[1.2",
        "joe@1.2]", "joe@x\r\nDATA", "joe@[]", "joe@x:25", "joe@<x"}) {
    EXPECT_EQ(smtp_mailbox(address), std::nullopt) << address;
  }
  EXPECT_EQ(smtp_mailbox(std::string("a\0b@x", 5)), std::nullopt);
  EXPECT_EQ(smtp_mailbox("a\x7f@x"), std::nullopt);
}

TEST(SmtpMailbox, KnowsWhatNeedsSmtpUtf8) {
  EXPECT_FALSE(needs_smtputf8("joe@x"));
  EXPECT_TRUE(needs_smtputf8("j\xc3\xb6@x"));
  EXPECT_TRUE(needs_smtputf8("joe@\xc3\xb6.example"));
}

TEST(SmtpPath, ReadsPaths) {
  struct Row {
    const char* text;
    const char* address;
    const char* rest;
  };
  for (const Row& row :
       {Row{"<a@x>", "a@x", ""}, Row{"<>", "", ""}, Row{"<postmaster> X", "postmaster", "X"},
        Row{"<@r1,@r2:a@x> SIZE=1", "a@x", "SIZE=1"}, Row{"<\"a b\"@x>", "a b@x", ""},
        Row{"<\"a\\\"b\\\\\"@x>", "a\"b\\@x", ""}, Row{"<\"a>b\"@x>", "a>b@x", ""},
        Row{"<a@[127.0.0.1]>", "a@[127.0.0.1]", ""}}) {
    std::string_view rest = row.text;
    std::string address = "?";
    EXPECT_TRUE(parse_smtp_path(rest, address)) << row.text;
    EXPECT_EQ(address, row.address) << row.text;
    EXPECT_EQ(rest, row.rest) << row.text;
  }
  for (const char* bad :
       {"", "a@x", "<a@x", "<a@>", "<@x>", "<a b@x>", "<a@x>y", "<a@x@y>", "<\"a@x>", "<\"a\\",
        "<<a@x>>", "<@r a@x>", "<a\x01@x>", "<\"a\nb\"@x>", "<a\"b@x>"}) {
    std::string_view rest = bad;
    std::string address = "?";
    EXPECT_FALSE(parse_smtp_path(rest, address)) << bad;
    EXPECT_EQ(address, "?");
  }
  const std::string longest = "<" + std::string(kMaxSmtpPath, 'x') + ">";
  std::string_view rest = longest;
  std::string address;
  EXPECT_TRUE(parse_smtp_path(rest, address));
  const std::string longer = "<" + std::string(kMaxSmtpPath + 1, 'x') + ">";
  rest = longer;
  EXPECT_FALSE(parse_smtp_path(rest, address));
}

}  // namespace
}  // namespace qv::wire
