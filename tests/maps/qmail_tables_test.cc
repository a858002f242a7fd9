// SPDX-License-Identifier: 0BSD
// The search orders of the tables that qmail's own programs have.
#include <gtest/gtest.h>

#include "maps/open.h"
#include "maps/tool/tool.h"
#include "tests/maps/cdb_maker.h"

namespace qv::maps {
namespace {

class QmailTables : public testing::Test {
 protected:
  void make(const Records& records) { make_cdb(scratch_.path("t.cdb"), records); }
  std::string ask(const std::string& table, std::string_view key) {
    std::string detail;
    const auto map = open_map(table, {}, detail);
    if (!map.ok()) return detail;
    std::string value;
    const Result<Answer> answer = map.value()->lookup(key, value);
    if (!answer.ok()) return "fault";
    return answer.value() == Answer::found ? value : "absent";
  }
  std::string ask(std::string_view key) { return ask(type_ + scratch_.path("t.cdb"), key); }

  Scratch scratch_;
  std::string type_;
};

TEST_F(QmailTables, FastforwardTriesAddressHostAndUser) {
  type_ = "fastforward:";
  make({{":a@x", "1"}, {":@y", "2"}, {":root@", "3"}, {":local", "4"}, {":@", "never"}});
  EXPECT_EQ(ask("A@X"), "1");
  EXPECT_EQ(ask("any@y"), "2");
  EXPECT_EQ(ask("root@elsewhere"), "3");
  EXPECT_EQ(ask("local"), "4");
  EXPECT_EQ(ask("b@x"), "absent");
  EXPECT_EQ(ask("root"), "absent");
  EXPECT_EQ(ask("@z"), "absent");
}

TEST_F(QmailTables, RecipientsCutsAtABreakCharacter) {
  type_ = "recipients:";
  make({{":user@x", ""}, {":list-@x", ""}, {":tag+@x", ""}, {":me@localhost", ""}});
  EXPECT_EQ(ask("User@X"), "");
  EXPECT_EQ(ask("list-subscribe-me=y@x"), "");
  EXPECT_EQ(ask("tag+a-b@x"), "");
  EXPECT_EQ(ask("me"), "");
  EXPECT_EQ(ask("user-ext@x"), "absent");
  EXPECT_EQ(ask("list@x"), "absent");
  EXPECT_EQ(ask("@x"), "absent");
}

TEST_F(QmailTables, ValidrcpttoOfJms1) {
  type_ = "validrcptto:jms1:";
  make({{"user@x", "1"},
        {"no@x", "-"},
        {"a-default@x", "a"},
        {"a-b-default@x", "ab"},
        {"a-b-no@x", "-no"},
        {"@y", "all"},
        {"bad@y", "-"}});
  EXPECT_EQ(ask("USER@x"), "1");
  EXPECT_EQ(ask("no@x"), "absent");
  EXPECT_EQ(ask("a-c@x"), "a");
  EXPECT_EQ(ask("a-b-c-d@x"), "ab");
  EXPECT_EQ(ask("a-b-no@x"), "absent");
  EXPECT_EQ(ask("z@y"), "all");
  EXPECT_EQ(ask("bad@y"), "absent");
  EXPECT_EQ(ask("z@x"), "absent");
}

TEST_F(QmailTables, ValidrcpttoOfSagredo) {
  type_ = "validrcptto:sagredo:";
  make({{"user@x", ""}, {"@y", ""}, {"-bad@y", ""}, {"-@z", ""}, {"good@z", ""}});
  EXPECT_EQ(ask("user@x"), "");
  EXPECT_EQ(ask("other@x"), "absent");
  EXPECT_EQ(ask("any@y"), "");
  EXPECT_EQ(ask("bad@y"), "absent");
  EXPECT_EQ(ask("good@z"), "");
  EXPECT_EQ(ask("other@z"), "absent");
  EXPECT_EQ(ask("-bad@y"), "") << "not the refusal of bad@y, but an address of y";
  EXPECT_NE(ask("validrcptto:" + scratch_.path("t.cdb"), "a@b").find("sagredo:"),
            std::string::npos);
}

std::string vm_record(std::string_view flags, std::string_view mailbox, std::string_view forward,
                      std::string_view expiry) {
  const std::string nul(1, '\0');
  std::string out = "\x02" + std::string(flags) + nul + "crypt" + nul + std::string(mailbox) + nul;
  if (!forward.empty()) out += std::string(forward) + nul;
  out += nul + "Name" + nul + "-" + nul + "-" + nul + "-" + nul + "-" + nul + "1" + nul;
  return out + std::string(expiry) + nul;
}

TEST_F(QmailTables, VmailmgrReadsItsRecords) {
  type_ = "vmailmgr:";
  const std::string on("\x08\x01\x0a\x01", 4);
  const std::string off("\x08\x00\x0a\x01", 4);
  const std::string none("\x08\x01\x0a\x00", 4);
  make({{"box", vm_record(on, "./users/box", "", "-")},
        {"off", vm_record(off, "./users/off", "", "-")},
        {"forward", vm_record(none, "", "x@y", "-")},
        {"nothing", vm_record(none, "", "", "-")},
        {"old", vm_record(on, "./users/old", "", "1000000000")},
        {"future", vm_record(on, "./users/f", "", "99999999999")},
        {"v1", "\x01" + vm_record("", "./users/v1", "", "-").substr(2)},
        {"ancient", ":crypt:./users/a"},
        {"broken", vm_record(on, "./users/b", "", "soon")},
        {"strange", "\x07what"}});
  EXPECT_EQ(ask("BOX@any.domain"), "./users/box");
  EXPECT_EQ(ask("off"), "absent");
  EXPECT_EQ(ask("forward"), "x@y");
  EXPECT_EQ(ask("nothing"), "absent");
  EXPECT_EQ(ask("old"), "absent");
  EXPECT_EQ(ask("future"), "./users/f");
  EXPECT_EQ(ask("v1"), "./users/v1");
  EXPECT_EQ(ask("ancient"), "./users/a");
  EXPECT_EQ(ask("broken"), "fault");
  EXPECT_EQ(ask("strange"), "fault");
  EXPECT_EQ(ask("nobody"), "absent");
  make({{"+", vm_record(on, "./users/all", "", "-")}});
  EXPECT_EQ(ask("nobody"), "./users/all");
}

TEST_F(QmailTables, VpopmailDecidesAsQmailLocalDoes) {
  make_cdb(scratch_.path("vpasswd.cdb"), {{"user", "c:1:0:g:/dir/user:NOQUOTA"},
                                          {"bounce", "c:1:16:g:/dir/bounce:NOQUOTA"},
                                          {"other", "c:1:2:g:/dir/other:NOQUOTA"},
                                          {"bad", "c:1:x:g:/dir:NOQUOTA"}});
  scratch_.write(".qmail-default", "| vdelivermail '' bounce-no-mailbox\n");
  scratch_.write(".qmail-bounce", "&elsewhere\n");
  scratch_.write(".qmail-first:last", "&x\n");
  scratch_.write(".qmail-list-default", "&x\n");
  const std::string table = "vpopmail:" + scratch_.directory() + "/";
  EXPECT_EQ(ask(table, "User@example.org"), "/dir/user");
  EXPECT_EQ(ask(table, "other"), "/dir/other") << "no flag but BOUNCE_MAIL counts";
  EXPECT_EQ(ask(table, "bounce"), scratch_.path(".qmail-bounce")) << "the file comes first";
  unlink(scratch_.path(".qmail-bounce").c_str());
  EXPECT_EQ(ask(table, "bounce"), "absent");
  EXPECT_EQ(ask(table, "first.last"), scratch_.path(".qmail-first:last"));
  EXPECT_EQ(ask(table, "list-a-b"), scratch_.path(".qmail-list-default"));
  EXPECT_EQ(ask(table, "default"), "absent") << "the file that leads here is no user";
  EXPECT_EQ(ask(table, "nobody"), "absent");
  EXPECT_EQ(ask(table, "../x"), "absent");
  EXPECT_EQ(ask(table, "bad"), "fault");
}

using tool::AssignLine;
using tool::AssignParser;

struct AssignRow {
  std::string_view line;
  AssignLine kind;
  std::string key;
  std::string value;
};

TEST(UsersAssign, BecomesTheRecordsOfQmailNewu) {
  AssignParser parser;
  using namespace std::string_literals;
  const AssignRow rows[] = {
      {"=Joe.Shmoe:joe:503:78:/home/joe:::", AssignLine::record, "!joe.shmoe\0"s,
       "joe\000503\00078\0/home/joe\0\0"s},
      {"+:alias:7790:2108:/var/qmail/alias:-::", AssignLine::record, "!"s,
       "alias\0007790\0002108\0/var/qmail/alias\0-\0"s},
      {"+joe-:joe:507:100:/home/joe:-:pre:rest:", AssignLine::record, "!joe-"s,
       "joe\000507\000100\0/home/joe\0-\0pre"s},
      {"+sam+:sam:1:1:/s:-::", AssignLine::record, "!sam+"s, "sam\0001\0001\0/s\0-\0"s},
      {"+al-:a:1:1:/s:-::", AssignLine::record, "!al-"s, "a\0001\0001\0/s\0-\0"s},
      {"=x:a:1:1:/s:-:", AssignLine::malformed, "", ""},
      {"joe:a:1:1:/s:-::", AssignLine::malformed, "", ""},
      {"", AssignLine::malformed, "", ""},
      {std::string_view("=a\0:a:1:1:/s:-::", 16), AssignLine::malformed, "", ""},
      {".", AssignLine::end, "", ""}};
  for (const AssignRow& row : rows) {
    std::string key;
    std::string value;
    std::string wrong;
    EXPECT_EQ(parser.parse(row.line, key, value, wrong), row.kind) << row.line;
    if (row.kind != AssignLine::record) continue;
    EXPECT_EQ(key, row.key) << row.line;
    EXPECT_EQ(value, row.value) << row.line;
  }
  EXPECT_EQ(parser.wildcards(), "-+");
}

}  // namespace
}  // namespace qv::maps
