// SPDX-License-Identifier: 0BSD
#include "rcpt/mailbox_record.h"

#include <gtest/gtest.h>

#include <string>

namespace qv {
namespace {

using namespace std::string_literals;

std::string show(const Result<Mailbox>& mailbox) {
  if (!mailbox.ok()) return "fault";
  switch (mailbox.value()) {
    case Mailbox::takes_mail:
      return "takes";
    case Mailbox::bounces:
      return "bounces";
    case Mailbox::disabled:
      return "disabled";
  }
  return "?";
}

TEST(VpasswdRecord, TheGidFieldHoldsTheBounceFlag) {
  EXPECT_EQ(show(parse_vpasswd_record("$1$x:1:0:Joe:/home/v/joe:NOQUOTA:clear")), "takes");
  EXPECT_EQ(show(parse_vpasswd_record("$1$x:0:16:Joe:/home/v/joe:NOQUOTA")), "bounces");
  EXPECT_EQ(show(parse_vpasswd_record("x:0:18:Joe:/d:q")), "bounces");
  EXPECT_EQ(show(parse_vpasswd_record("x:0:47:Joe:/d:q")), "takes") << "all others set";
  for (const char* record : {"", "x", "x:0", "x:0:", "x:a:0:", "x:0:-1:", "x:0:0x10:"}) {
    EXPECT_EQ(show(parse_vpasswd_record(record)), "fault") << record;
  }
}

std::string fields(const std::string& mailbox, const std::string& forwards,
                   const std::string& expiry) {
  return "crypt\0"s + mailbox + "\0"s + forwards + "\0personal\0-\0-\0-\0-\0"s + "1000\0"s +
         expiry + "\0"s;
}

TEST(VmailmgrRecord, FlagsForwardsAndExpiryCount) {
  const std::string flags = "\x08\x01\x0a\x01"s;
  const std::string v2 = "\2" + flags + "\0"s;
  EXPECT_EQ(show(parse_vmailmgr_record(v2 + fields("./users/x", "", "-"), 50)), "takes");
  EXPECT_EQ(show(parse_vmailmgr_record("\2\0"s + fields("./users/x", "", "-"), 50)), "takes");
  EXPECT_EQ(show(parse_vmailmgr_record("\1" + fields("./users/x", "", "-"), 50)), "takes");
  EXPECT_EQ(show(parse_vmailmgr_record("\2\x08\0\0"s + fields("./users/x", "", "-"), 50)),
            "disabled");
  EXPECT_EQ(show(parse_vmailmgr_record("\2\x08\0\0"s + fields("./x", "a@b\0"s, "-"), 50)), "takes");
  EXPECT_EQ(show(parse_vmailmgr_record("\2\0"s + fields("", "", "-"), 50)), "disabled");
  EXPECT_EQ(show(parse_vmailmgr_record(v2 + fields("./users/x", "", "50"), 50)), "disabled");
  EXPECT_EQ(show(parse_vmailmgr_record(v2 + fields("./users/x", "", "51"), 50)), "takes");
  EXPECT_EQ(show(parse_vmailmgr_record("::./users/x", 50)), "takes");
}

TEST(VmailmgrRecord, WhatIsBrokenOffIsAFault) {
  const std::string whole = "\2\x08\x01\0"s + fields("./users/x", "a@b\0"s, "99");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(show(parse_vmailmgr_record(std::string_view(whole).substr(0, size), 1)), "fault")
        << size;
  }
  EXPECT_EQ(show(parse_vmailmgr_record(whole, 1)), "takes");
  EXPECT_EQ(show(parse_vmailmgr_record("\3" + whole.substr(1), 1)), "fault");
  EXPECT_EQ(show(parse_vmailmgr_record("::", 1)), "fault");
  EXPECT_EQ(show(parse_vmailmgr_record("\1" + fields("./x", "", "soon"), 1)), "fault");
}

}  // namespace
}  // namespace qv
