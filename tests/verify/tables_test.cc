// SPDX-License-Identifier: 0BSD
#include "verify/tables.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event/listen.h"
#include "tests/fakes/fake_loop.h"
#include "tests/maps/cdb_maker.h"
#include "wire/proxymap.h"

namespace qv::verify {
namespace {

constexpr std::int64_t kSecond = 1000000;
constexpr std::uint32_t kNumber = 7;  // of the decision that is parked

// qmail-proxymap's side is played by the test.
class TablesTest : public testing::Test {
 protected:
  TablesTest() {
    TableSettings settings;
    settings.proxy = "unix:" + scratch_.path("s");
    settings.proxy_time_us = 2 * kSecond;
    settings.notice = [this](std::string_view line) { notices_ += std::string(line) + "\n"; };
    settings.clock = [this] { return loop_.now_us(); };
    tables_.emplace(loop_, lookups_, settings);
  }

  // "yes VALUE by KEY", "no", "pending", "error".
  std::string look(std::string_view table, std::string_view address) {
    lookups_.begin(loop_.now_us());
    rcpt::TableHit hit;
    const Result<rcpt::Look> look = tables_->find_recipient(table, address, "-+", hit);
    if (!look.ok()) return "error";
    if (look.value() == rcpt::Look::pending) {
      lookups_.waits_for()->waiting.push_back(kNumber);
      return "pending";
    }
    if (look.value() == rcpt::Look::no) return hit.key.empty() ? "no" : "no, and yet a key";
    return "yes " + std::string(hit.value) + " by " + std::string(hit.key);
  }
  std::string notices() { return std::exchange(notices_, {}); }
  void second() { loop_.advance_us(kSecond); }
  void turn() {
    loop_.run();
    for (int fd = 3; fd < 100; ++fd) loop_.make_readable(fd);
    loop_.run();
  }

  void listen() {
    listener_ =
        event::listen_on(event::parse_stream_address("unix:" + scratch_.path("s")).value(), {})
            .value();
  }
  Fd accept() {
    turn();
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
    std::string greeting;
    wire::proxymap::append_greeting(greeting);
    say(fd, greeting);
    return fd;
  }
  void say(const Fd& fd, const std::string& bytes) {
    EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    turn();
  }
  void reply(const Fd& fd, wire::proxymap::Status status, const std::string& value = {}) {
    std::string bytes;
    wire::proxymap::append_reply(bytes, wire::proxymap::Operation::lookup,
                                 wire::proxymap::Dialect::plain,
                                 {.status = status, .value = value});
    say(fd, bytes);
  }
  // The request that has come holds this.
  static bool was_asked(const Fd& fd, std::string_view bytes) {
    char buffer[4096];
    const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return bytes.empty();
    const std::string_view request(buffer, static_cast<std::size_t>(n));
    return !bytes.empty() && request.find(bytes) != std::string_view::npos;
  }

  maps::Scratch scratch_;
  FakeLoop loop_;
  agent::Pool pool_{loop_, process::Spawner{}, {}, {}};
  std::vector<std::uint32_t> ready_;
  PendingLookups lookups_{loop_, pool_, kSecond,
                          [this](std::uint32_t number) { ready_.push_back(number); }};
  std::string notices_;
  std::optional<RecipientTables> tables_;
  Fd listener_;
};

TEST_F(TablesTest, ALocalTableIsAskedAtOnce) {
  const std::string table = "inline:{u@e=user, @d=all}";
  EXPECT_EQ(look(table, "U+x@E"), "yes user by u@e");
  EXPECT_EQ(look(table, "v@e"), "no");
  EXPECT_EQ(look(table, "v@d"), "yes all by @d");
  EXPECT_EQ(tables_->size(), 1u);
}

TEST_F(TablesTest, APatternTableSeesOnlyTheWholeAddress) {
  const std::string table = "regexp:{{/^u@e$/ user} {/^@e$/ all}}";
  EXPECT_EQ(look(table, "u@e"), "yes user by u@e");
  EXPECT_EQ(look(table, "u+x@e"), "no");
}

TEST_F(TablesTest, AChangedFileIsNoticedAndABrokenOneIsNotTakenUp) {
  const std::string table = "texthash:" + scratch_.write("t", "a@e x\n");
  EXPECT_EQ(look(table, "b@e"), "no");
  scratch_.replace("t", "b@e y\n");
  second();
  EXPECT_EQ(look(table, "b@e"), "yes y by b@e");
  EXPECT_EQ(notices(), "");
  unlink(scratch_.path("t").c_str());
  second();
  EXPECT_EQ(look(table, "b@e"), "yes y by b@e");
  EXPECT_NE(notices(), "");
}

TEST_F(TablesTest, AnEmptyTableRefusesNobody) {
  const std::string table = "texthash:" + scratch_.write("t", "# nothing yet\n");
  EXPECT_EQ(look(table, "a@e"), "error");
  EXPECT_NE(notices().find("is empty"), std::string::npos);
  EXPECT_EQ(look(table, "b@e"), "error");
  EXPECT_EQ(notices(), "") << "told once";
}

TEST_F(TablesTest, AFaultIsToldOnceAndAgainAfterAMinute) {
  EXPECT_EQ(look("fail:config broken", "a@e"), "error");
  EXPECT_EQ(notices(), "fail:config broken: broken\n");
  second();
  EXPECT_EQ(look("fail:config broken", "b@e"), "error");
  EXPECT_EQ(notices(), "");
  loop_.advance_us(60 * kSecond);
  EXPECT_EQ(look("fail:config broken", "b@e"), "error");
  EXPECT_EQ(notices(), "fail:config broken: broken\n");
}

TEST_F(TablesTest, ATableThatIsNotThereIsAFaultUntilItIs) {
  const std::string table = "texthash:" + scratch_.path("t");
  EXPECT_EQ(look(table, "a@e"), "error");
  EXPECT_EQ(look(table, "a@e"), "error");
  EXPECT_EQ(notices(), table + ": open " + scratch_.path("t") + ": No such file or directory\n");
  scratch_.write("t", "a@e x\n");
  second();
  EXPECT_EQ(look(table, "a@e"), "yes x by a@e");
  EXPECT_EQ(notices(), table + ": in service\n");
}

TEST_F(TablesTest, ATableThatWouldWaitIsRefusedWithTheLineToWrite) {
  EXPECT_EQ(look("unionmap:{static:x, proxy:cdb:/x}", "a@e"), "error");
  const std::string said = notices();
  EXPECT_NE(said.find("write proxy:unionmap:{static:x, cdb:/x} in control/verifymaps, and "
                      "proxy:unionmap:{static:x, cdb:/x} in control/proxy_read_maps"),
            std::string::npos)
      << said;
}

TEST_F(TablesTest, OnlyWhatIsNamedIsKept) {
  tables_->retain({{"inline:{a=b}", 1}, {"inline:{c=d}", 2}, {"inline:{a=b}", 3}});
  EXPECT_EQ(tables_->size(), 2u);
  tables_->retain({{"inline:{c=d}", 1}});
  EXPECT_EQ(tables_->size(), 1u);
}

TEST_F(TablesTest, AProxiedTableIsAskedKeyByKeyWhileTheDecisionIsParked) {
  listen();
  EXPECT_EQ(look("proxy:cdb:/x", "a+x@e"), "pending");
  Fd proxy = accept();
  EXPECT_TRUE(was_asked(proxy, std::string_view("key\0a+x@e", 9)));
  EXPECT_TRUE(ready_.empty());
  reply(proxy, wire::proxymap::Status::no_key);
  EXPECT_EQ(ready_, std::vector<std::uint32_t>{kNumber});
  EXPECT_EQ(look("proxy:cdb:/x", "a+x@e"), "pending");
  turn();
  EXPECT_TRUE(was_asked(proxy, std::string_view("key\0a@e", 7)));
  reply(proxy, wire::proxymap::Status::ok, "550 gone");
  EXPECT_EQ(look("proxy:cdb:/x", "a+x@e"), "yes 550 gone by a@e");
  EXPECT_EQ(look("proxy:cdb:/x", "A@e"), "yes 550 gone by a@e") << "remembered";
  EXPECT_EQ(notices(), "");
  loop_.advance_us(kSecond + 1);
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending") << "no longer than CACHETTL";
}

TEST_F(TablesTest, EachProxiedTableIsALaneOfItsOwn) {
  const auto lane = [this](const char* table, const char* address) {
    EXPECT_EQ(look(table, address), "pending");
    return lookups_.waits_for()->lane;
  };
  EXPECT_EQ(lane("proxy:cdb:/x", "a@e"), lane("proxy:cdb:/x", "b@f"));
  EXPECT_NE(lane("proxy:cdb:/x", "a@e"), lane("proxy:cdb:/y", "a@e"));
}

TEST_F(TablesTest, TwoThatWaitForOneKeyAskOnce) {
  listen();
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
  const Fd proxy = accept();
  EXPECT_TRUE(was_asked(proxy, std::string_view("a@e", 3)));
  reply(proxy, wire::proxymap::Status::ok, "x");
  EXPECT_EQ(ready_.size(), 2u);
  EXPECT_TRUE(was_asked(proxy, "")) << "nothing more";
  turn();
  EXPECT_FALSE(Fd(::accept4(listener_.get(), nullptr, nullptr, 0)).valid()) << "by nobody else";
}

TEST_F(TablesTest, AProxiedPatternTableSeesOnlyTheWholeAddress) {
  listen();
  EXPECT_EQ(look("proxy:regexp:/x", "a+x@e"), "pending");
  const Fd proxy = accept();
  reply(proxy, wire::proxymap::Status::no_key);
  EXPECT_EQ(look("proxy:regexp:/x", "a+x@e"), "no");
}

TEST_F(TablesTest, WithoutTheProxyItCannotBeToldAndIsTriedAgain) {
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
  turn();
  EXPECT_EQ(ready_.size(), 1u);
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "error");
  EXPECT_EQ(notices(), "proxy:cdb:/x: table proxy: No such file or directory\n");
  listen();
  loop_.advance_us(kSecond + 1);
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
  const Fd proxy = accept();
  reply(proxy, wire::proxymap::Status::ok, "x");
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "yes x by a@e");
  EXPECT_EQ(notices(), "proxy:cdb:/x: in service\n");
}

TEST_F(TablesTest, AProxyThatDoesNotAnswerInTimeIsAFault) {
  listen();
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
  const Fd proxy = accept();
  loop_.advance_us(3 * kSecond);
  EXPECT_EQ(ready_.size(), 1u);
  lookups_.begin(loop_.now_us() - 3 * kSecond);
  rcpt::TableHit hit;
  const Result<rcpt::Look> late = tables_->find_recipient("proxy:cdb:/x", "a@e", "", hit);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().errnum, ETIMEDOUT);
}

TEST_F(TablesTest, AProxiedTableThatIsAskedStaysUntilItHasAnswered) {
  listen();
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
  const Fd proxy = accept();
  tables_->retain({});
  EXPECT_EQ(tables_->size(), 1u);
  reply(proxy, wire::proxymap::Status::ok, "x");
  EXPECT_EQ(ready_.size(), 1u);
  tables_->retain({});
  EXPECT_EQ(tables_->size(), 0u);
}

TEST_F(TablesTest, ForgettingAsksAgain) {
  listen();
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
  const Fd proxy = accept();
  reply(proxy, wire::proxymap::Status::ok, "x");
  tables_->forget();
  EXPECT_EQ(look("proxy:cdb:/x", "a@e"), "pending");
}

TEST_F(TablesTest, FetchesAheadInLargeCdbs) {
  std::vector<std::pair<std::string, std::string>> records;
  records.emplace_back("u@a.example", "x");
  records.emplace_back("large", std::string(1u << 20, 'x'));
  maps::make_cdb(scratch_.path("large.cdb"), records);
  maps::make_cdb(scratch_.path("small.cdb"), {{"u@b.example", "x"}});
  const std::string large = "cdb:" + scratch_.path("large");
  const std::string small = "cdb:" + scratch_.path("small");
  const std::vector<control::ControlLine> lines = {
      {".a.example:" + large, 1}, {"b.example:" + small, 2}, {"own.example:", 3}, {":" + large, 4}};
  std::vector<control::Problem> problems;
  const rcpt::VerifyMaps maps = rcpt::parse_verifymaps(lines, "", problems);
  EXPECT_EQ(tables_->prefetch(maps, "U@x.a.example").value().table(), nullptr) << "not open";
  tables_->retain(maps.named);
  EXPECT_EQ(tables_->prefetch(maps, "u@b.example").value().table(), nullptr) << "small";
  EXPECT_FALSE(tables_->prefetch(maps, "u@own.example").has_value());
  for (const char* address : {"U@A.Example", "u@x.a.example", "nobody", ""}) {
    ASSERT_NE(tables_->prefetch(maps, address).value().table(), nullptr) << address;
  }
  EXPECT_EQ(tables_->prefetch(maps, "U@A.Example").value().hash(),
            maps::CdbFile::hash_of("u@a.example"));
}

TEST_F(TablesTest, CheckingNamesTheLine) {
  rcpt::VerifyMaps maps;
  maps.file = "control/verifymaps";
  maps.named = {{"inline:{a=b}", 1},
                {"texthash:" + scratch_.write("empty", "#\n"), 2},
                {"unix:passwd.byname", 3},
                {"nonesuch:/x", 4},
                {"texthash:" + scratch_.path("none"), 5},
                {"texthash:" + scratch_.path("none"), 6}};
  std::vector<control::Problem> problems;
  check_tables(maps, problems);
  ASSERT_EQ(problems.size(), 4u);
  EXPECT_EQ(problems[0].line, 2);
  EXPECT_NE(problems[0].text.find("is empty"), std::string::npos);
  EXPECT_EQ(problems[1].line, 3);
  EXPECT_NE(problems[1].text.find("write proxy:unix:passwd.byname in"), std::string::npos);
  EXPECT_EQ(problems[2].line, 4);
  EXPECT_EQ(problems[3].line, 5);
  EXPECT_EQ(control::to_string(problems[3]),
            "control/verifymaps:5: texthash:" + scratch_.path("none") + ": open " +
                scratch_.path("none") + ": No such file or directory");
}

}  // namespace
}  // namespace qv::verify
