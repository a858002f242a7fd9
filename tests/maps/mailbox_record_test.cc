// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include <string>

#include "maps/owner_table.h"

namespace qv::maps {
namespace {

using namespace std::string_literals;

std::string show(Mailbox mailbox) {
  switch (mailbox) {
    case Mailbox::takes_mail:
      return "takes";
    case Mailbox::bounces:
      return "bounces";
    case Mailbox::disabled:
      return "disabled";
  }
  return "?";
}

std::string vpasswd(std::string_view bytes) {
  const Result<VpasswdRecord> record = parse_vpasswd_record(bytes);
  if (!record.ok()) return "fault";
  return show(mailbox_of(record.value())) + " " + std::string(record.value().directory);
}

std::string vmailmgr(std::string_view bytes, std::int64_t now_s) {
  const Result<VmailmgrRecord> record = parse_vmailmgr_record(bytes);
  return record.ok() ? show(mailbox_of(record.value(), now_s)) : "fault";
}

TEST(VpasswdRecord, TheGidFieldHoldsTheBounceFlag) {
  EXPECT_EQ(vpasswd("$1$x:1:0:Joe:/home/v/joe:NOQUOTA:clear"), "takes /home/v/joe");
  EXPECT_EQ(vpasswd("$1$x:0:16:Joe:/home/v/joe:NOQUOTA"), "bounces /home/v/joe");
  EXPECT_EQ(vpasswd("x:0:18:Joe:/d:q"), "bounces /d");
  EXPECT_EQ(vpasswd("x:0:47:Joe:/d:q"), "takes /d") << "all others set";
  EXPECT_EQ(vpasswd("x:0:0:Joe:/d"), "takes /d");
  for (const char* record : {"", "x", "x:0", "x:0:", "x:0:0", "x:0:0:Joe", "x:a:0:Joe:/d",
                             "x:0:-1:Joe:/d", "x:0:0x10:Joe:/d", "x::0:Joe:/d"}) {
    EXPECT_EQ(vpasswd(record), "fault") << record;
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
  EXPECT_EQ(vmailmgr(v2 + fields("./users/x", "", "-"), 50), "takes");
  EXPECT_EQ(vmailmgr("\2\0"s + fields("./users/x", "", "-"), 50), "takes");
  EXPECT_EQ(vmailmgr("\1" + fields("./users/x", "", "-"), 50), "takes");
  EXPECT_EQ(vmailmgr("\2\x08\0\0"s + fields("./users/x", "", "-"), 50), "disabled");
  EXPECT_EQ(vmailmgr("\2\x08\0\0"s + fields("./x", "a@b\0"s, "-"), 50), "takes");
  EXPECT_EQ(vmailmgr("\2\0"s + fields("", "", "-"), 50), "disabled");
  EXPECT_EQ(vmailmgr(v2 + fields("./users/x", "", "50"), 50), "disabled");
  EXPECT_EQ(vmailmgr(v2 + fields("./users/x", "", "51"), 50), "takes");
  EXPECT_EQ(vmailmgr("::./users/x", 50), "takes");
}

TEST(VmailmgrRecord, MailboxAndForwards) {
  const auto where = [](std::string_view bytes) {
    const Result<VmailmgrRecord> record = parse_vmailmgr_record(bytes);
    EXPECT_TRUE(record.ok());
    std::string text(record.value().mailbox);
    text += "|" + std::string(record.value().forwards);
    for (char& c : text) c = c == '\0' ? '+' : c;
    return text;
  };
  EXPECT_EQ(where("\1" + fields("./users/x", "", "-")), "./users/x|");
  EXPECT_EQ(where("\1" + fields("./users/x", "a@b\0c@d\0"s, "-")), "./users/x|a@b+c@d");
  EXPECT_EQ(where("\2\x08\0\0"s + fields("./users/x", "a@b\0"s, "-")), "|a@b");
  EXPECT_EQ(where(":crypt:./users/x,a@b"), "./users/x|");
  EXPECT_EQ(where(":crypt:a@b,c@d"), "|a@b,c@d");
}

TEST(VmailmgrRecord, WhatIsBrokenOffIsAFault) {
  const std::string whole = "\2\x08\x01\0"s + fields("./users/x", "a@b\0"s, "99");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(vmailmgr(std::string_view(whole).substr(0, size), 1), "fault") << size;
  }
  EXPECT_EQ(vmailmgr(whole, 1), "takes");
  EXPECT_EQ(vmailmgr("\3" + whole.substr(1), 1), "fault");
  EXPECT_EQ(vmailmgr("::", 1), "fault");
  EXPECT_EQ(vmailmgr("\1" + fields("./x", "", "soon"), 1), "fault");
}

}  // namespace
}  // namespace qv::maps
