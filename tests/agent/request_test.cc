// SPDX-License-Identifier: 0BSD
#include "agent/request.h"

#include <gtest/gtest.h>
#include <string.h>

#include <functional>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "process/channel.h"

namespace qv::agent {
namespace {

using namespace std::string_view_literals;
using process::as_bytes;

HomeOwner owner(uid_t uid = 1, gid_t gid = 1, std::string_view home = "/h") {
  return {"p:u", uid, gid, home};
}

Request file_request() {
  return home_file_request(owner(1000, 100, "/home/u"), ".qmail-x", Contents::not_wanted).value();
}

TEST(Request, WhatIsMadePassesAndSaysWhatItSaid) {
  Request made = file_request();
  const Result<Request> taken = validate(process::as_bytes(made));
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken.value().account_view(), "p:u");
  EXPECT_EQ(taken.value().op, Op::home_file);
  EXPECT_EQ(taken.value().uid, 1000U);
  EXPECT_EQ(taken.value().gid, 100U);
  EXPECT_EQ(taken.value().home_view(), "/home/u");
  EXPECT_EQ(taken.value().name_view(), ".qmail-x");

  EXPECT_TRUE(validate(process::as_bytes(passwd_index_request(control::FileStamp{}))).ok());
  EXPECT_TRUE(validate(process::as_bytes(passwd_user_request("root").value())).ok());
  EXPECT_TRUE(
      validate(process::as_bytes(home_index_request(owner(), control::FileStamp{}).value())).ok());
}

struct NameCase {
  std::string_view home;
  std::string_view name;
  bool allowed;
};

TEST(Request, NamesStayBelowTheHome) {
  const std::string longest(kMaxPath - 1, 'x');
  const std::string too_long(kMaxPath, 'x');
  const std::string longest_home = "/" + longest.substr(1);
  const std::string too_long_home = "/" + longest;
  const NameCase cases[] = {
      {"/home/u", ".qmail", true},
      {"/home/u", ".qmail-a/b", true},
      {"/home/u", ".qmail-..", true},
      {"/home/u", ".qmail-a..b/..c", true},
      {"/home/u", longest, true},
      {longest_home, ".qmail", true},
      {"/", ".qmail", true},
      {"/home/u", "", false},
      {"/home/u", "/etc/passwd", false},
      {"/home/u", "..", false},
      {"/home/u", "../v/.qmail", false},
      {"/home/u", ".qmail-a/../../v", false},
      {"/home/u", ".qmail-a/..", false},
      {"/home/u", ".qmail\0x"sv, false},
      {"/home/u", too_long, false},
      {"/home\0/u"sv, ".qmail", false},
      {"home/u", ".qmail", false},
      {"", ".qmail", false},
      {too_long_home, ".qmail", false},
  };
  for (const NameCase& c : cases) {
    const auto made = home_file_request(owner(1, 1, c.home), c.name, Contents::not_wanted);
    EXPECT_EQ(made.ok(), c.allowed) << c.home << " " << c.name;
    if (!made.ok()) {
      EXPECT_EQ(made.error().fault, Fault::denied);
    }
  }
}

TEST(Request, OnlyWhatConcernsMailIsRead) {
  for (const std::string_view name : {"x"sv, ".ssh/id_rsa"sv, "Maildir/new/1"sv, ".qmai"sv}) {
    EXPECT_FALSE(home_file_request(owner(), name, Contents::wanted).ok()) << name;
    Request forged = home_file_request(owner(), name, Contents::not_wanted).value();
    forged.want_contents = 1;
    EXPECT_FALSE(validate(process::as_bytes(forged)).ok()) << name;
  }
}

Result<Request> table_request(std::string_view name, maps::TableKind kind,
                              const std::vector<std::string_view>& keys) {
  return home_table_request(owner(), {name, kind, keys});
}

TEST(Request, TablesAreNamedBelowAHomeOrFromTheRoot) {
  const std::pair<std::string_view, bool> cases[] = {
      {"vpasswd.cdb", true}, {"/etc/aliases.cdb", true}, {"a/b.cdb", true},        {"", false},
      {"../x.cdb", false},   {"/a/../b.cdb", false},     {"/a/b.cdb\0x"sv, false}, {"..", false},
      {"/..", false},
  };
  for (const auto& [name, allowed] : cases) {
    const auto made = table_request(name, maps::TableKind::aliases, {"k"});
    ASSERT_EQ(made.ok(), allowed) << name;
    if (!allowed) continue;
    EXPECT_EQ(validate(process::as_bytes(made.value())).value().name_view(), name);
    Request forged = made.value();
    forged.want_contents = 1;
    EXPECT_FALSE(validate(process::as_bytes(forged)).ok());
    forged = made.value();
    forged.uid = 0;
    EXPECT_FALSE(validate(process::as_bytes(forged)).ok());
    // Users are looked up in the owner's own tables only.
    forged = made.value();
    forged.table = maps::TableKind::vpasswd;
    EXPECT_EQ(validate(process::as_bytes(forged)).ok(), name.front() != '/') << name;
    EXPECT_EQ(table_request(name, maps::TableKind::vmailmgr, {"k"}).ok(), name.front() != '/')
        << name;
  }
}

TEST(Request, KeysOfATable) {
  const std::string longest(kMaxKeys - 1, 'k');
  const std::string too_long(kMaxKeys, 'k');
  const std::string third(kMaxKeys / 3 - 1, 'k');
  const std::pair<std::vector<std::string_view>, bool> cases[] = {
      {{"a"}, true},
      {{""}, true},
      {{"a", "", "c"}, true},
      {{longest}, true},
      {{third, third, third}, true},
      {{}, false},
      {{"a", "b", "c", "d"}, false},
      {{longest, ""}, false},
      {{too_long}, false},
      {{"a\0b"sv}, false},
  };
  for (const auto& c : cases) {
    const auto made = table_request("t.cdb", maps::TableKind::vpasswd, c.first);
    ASSERT_EQ(made.ok(), c.second) << c.first.size();
    if (!made.ok()) continue;
    const Result<Request> taken = validate(process::as_bytes(made.value()));
    ASSERT_TRUE(taken.ok());
    EXPECT_EQ(taken.value().table, maps::TableKind::vpasswd);
    std::array<std::string_view, maps::kMaxTableKeys> keys;
    const std::size_t count = split_keys(taken.value(), keys);
    EXPECT_EQ(std::vector<std::string_view>(keys.begin(), keys.begin() + count), c.first);
  }
}

TEST(Request, AForgedQuestionAboutATableIsRefused) {
  const std::pair<const char*, std::function<void(Request&)>> forgeries[] = {
      {"kind", [](Request& r) { r.table = static_cast<maps::TableKind>(3); }},
      {"no keys", [](Request& r) { r.keys_length = 0; }},
      {"no end of the keys", [](Request& r) { r.keys_length -= 1; }},
      {"keys longer", [](Request& r) { r.keys_length += 3; }},
      {"keys behind the end", [](Request& r) { r.keys_length = kMaxKeys + 1; }},
      {"unused", [](Request& r) { r.unused[4] = 1; }},
      {"keys for a file", [](Request& r) { r.op = Op::home_file; }},
  };
  for (const auto& forgery : forgeries) {
    Request forged = table_request("t.cdb", maps::TableKind::aliases, {"a", "b"}).value();
    forgery.second(forged);
    const Result<Request> taken = validate(process::as_bytes(forged));
    ASSERT_FALSE(taken.ok()) << forgery.first;
    EXPECT_EQ(taken.error().fault, Fault::denied) << forgery.first;
  }
}

TEST(Request, NobodyBecomesRoot) {
  const std::pair<uid_t, gid_t> refused[] = {
      {0, 100}, {100, 0}, {0, 0}, {static_cast<uid_t>(-1), 1}, {1, static_cast<gid_t>(-1)}};
  for (const auto& ids : refused) {
    EXPECT_FALSE(home_index_request(owner(ids.first, ids.second), control::FileStamp{}).ok());
    EXPECT_FALSE(home_file_request(owner(ids.first, ids.second), "n", Contents::not_wanted).ok());
    Request forged = file_request();
    forged.uid = ids.first;
    forged.gid = ids.second;
    EXPECT_FALSE(validate(process::as_bytes(forged)).ok());
  }
}

TEST(Request, AnAccountIsNamedByALoginOrAKey) {
  const std::string longest = "x:" + std::string(kMaxAccount - 3, 'k');
  const std::pair<std::string_view, bool> cases[] = {
      {"p:joe", true}, {"x:joe-list", true}, {"w:", true},     {"x:", true},     {longest, true},
      {"p:", false},   {"", false},          {"p", false},     {"p:a/b", false}, {"q:joe", false},
      {"joe", false},  {"x:a\0b"sv, false},  {"x;joe", false},
  };
  for (const auto& [account, allowed] : cases) {
    EXPECT_EQ(home_index_request({account, 1, 1, "/h"}, control::FileStamp{}).ok(), allowed)
        << account;
    EXPECT_EQ(is_account_name(account), allowed) << account;
  }
  EXPECT_FALSE(is_account_name(longest + "k"));
  EXPECT_EQ(account_name(rcpt::OwnerSource::passwd, "joe"), "p:joe");
  EXPECT_EQ(account_name(rcpt::OwnerSource::exact, "joe"), "x:joe");
  EXPECT_EQ(account_name(rcpt::OwnerSource::wildcard, "joe-"), "w:joe-");
}

TEST(Request, LoginNames) {
  for (const std::string_view good : {"u", "first.last", "a b", "x-1", "UPPER"}) {
    EXPECT_TRUE(passwd_user_request(good).ok()) << good;
  }
  const std::string too_long(kMaxPath, 'u');
  for (const std::string_view bad :
       {""sv, "a:b"sv, "a/b"sv, "a\nb"sv, "a\0b"sv, std::string_view(too_long)}) {
    EXPECT_FALSE(can_be_login_name(bad));
    EXPECT_FALSE(passwd_user_request(bad).ok());
  }
}

// What only a front that somebody has taken over would send.
TEST(Request, AForgedFieldIsRefused) {
  const std::pair<const char*, std::function<void(Request&)>> forgeries[] = {
      {"op 0", [](Request& r) { r.op = static_cast<Op>(0); }},
      {"op 6", [](Request& r) { r.op = static_cast<Op>(6); }},
      {"flag", [](Request& r) { r.want_contents = 2; }},
      {"unused", [](Request& r) { r.unused[0] = 1; }},
      {"stamp", [](Request& r) { r.have.settled = 2; }},
      {"no account", [](Request& r) { r.account_length = 0, r.account[0] = '\0'; }},
      {"account length", [](Request& r) { r.account_length = kMaxAccount; }},
      {"no source", [](Request& r) { r.account[0] = 'q'; }},
      {"no login name", [](Request& r) { r.account[2] = '/'; }},
      {"home length", [](Request& r) { r.home_length = kMaxPath; }},
      {"home shorter", [](Request& r) { r.home_length -= 1; }},
      {"home longer", [](Request& r) { r.home_length += 1; }},
      {"no end", [](Request& r) { memset(r.home, 'x', sizeof r.home); }},
      {"name length", [](Request& r) { r.name_length = UINT16_MAX; }},
      {"nul in name", [](Request& r) { r.name[1] = '\0'; }},
      {"absolute name", [](Request& r) { r.name[0] = '/'; }},
      {"name for an index", [](Request& r) { r.op = Op::home_index; }},
      {"owner for passwd", [](Request& r) { r.op = Op::passwd_user; }},
  };
  for (const auto& forgery : forgeries) {
    Request forged = file_request();
    forgery.second(forged);
    const Result<Request> taken = validate(process::as_bytes(forged));
    ASSERT_FALSE(taken.ok()) << forgery.first;
    EXPECT_EQ(taken.error().fault, Fault::denied) << forgery.first;
  }
}

TEST(Request, AnyOtherSizeIsNoRequest) {
  const Request request = file_request();
  const std::string bytes(process::as_bytes(request));
  for (const std::string& other : {std::string(), bytes.substr(1), bytes + "x"}) {
    const Result<Request> taken = validate(other);
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().fault, Fault::protocol);
  }
}

TEST(Response, AForgedFieldIsRefused) {
  Response good;
  good.outcome = Outcome::found;
  good.has_file = 1;
  ASSERT_TRUE(validate_response(process::as_bytes(good)).ok());
  const std::pair<const char*, std::function<void(Response&)>> forgeries[] = {
      {"outcome", [](Response& r) { r.outcome = static_cast<Outcome>(0); }},
      {"fault", [](Response& r) { r.fault = static_cast<Fault>(9); }},
      {"failed", [](Response& r) { r.failed = 2; }},
      {"file with a fault", [](Response& r) { r.failed = 1; }},
      {"file with absent", [](Response& r) { r.outcome = Outcome::absent; }},
      {"has_file", [](Response& r) { r.has_file = 2; }},
      {"key", [](Response& r) { r.key = maps::kMaxTableKeys + 1; }},
      {"mailbox", [](Response& r) { r.key = 1, r.mailbox = static_cast<maps::Mailbox>(3); }},
      {"mailbox of no key", [](Response& r) { r.mailbox = maps::Mailbox::bounces; }},
      {"user without end", [](Response& r) { memset(r.user, 'x', sizeof r.user); }},
      {"home length", [](Response& r) { r.home_length = 1; }},
      {"unused", [](Response& r) { r.unused = 1; }},
  };
  for (const auto& forgery : forgeries) {
    Response forged = good;
    forgery.second(forged);
    EXPECT_FALSE(validate_response(process::as_bytes(forged)).ok()) << forgery.first;
  }
  EXPECT_FALSE(validate_response("short").ok());
}

}  // namespace
}  // namespace qv::agent
