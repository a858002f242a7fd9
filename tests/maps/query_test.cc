// SPDX-License-Identifier: 0BSD
#include "maps/types/query.h"

#include <gtest/gtest.h>

#include "maps/open.h"
#include "tests/maps/scratch.h"

namespace qv::maps {
namespace {

std::string expand(std::string_view text, std::string_view key, std::string_view value = {}) {
  Template parsed;
  std::string wrong;
  if (!Template::parse(text, parsed, wrong)) return "wrong";
  std::string out;
  const std::string_view lower = value.empty() ? key : value;
  return parsed.expand(lower, key, out) == Answer::found ? out : "suppressed";
}

TEST(Template, ExpandsTheParts) {
  EXPECT_EQ(expand("%s", "u@mail.example.com"), "u@mail.example.com");
  EXPECT_EQ(expand("%u-%d-%%", "u@d"), "u-d-%");
  EXPECT_EQ(expand("%u", "user"), "user");
  EXPECT_EQ(expand("%d", "user"), "suppressed");
  EXPECT_EQ(expand("%u", "@d"), "suppressed");
  EXPECT_EQ(expand("%1.%2.%3", "u@mail.example.com"), "com.example.mail");
  EXPECT_EQ(expand("%4", "u@mail.example.com"), "suppressed");
  EXPECT_EQ(expand("%U@%D", "a@b@c"), "a@b@c");
  for (const char* bad : {"%", "%x", "%0", "a%"}) EXPECT_EQ(expand(bad, "k"), "wrong") << bad;
}

TEST(Template, TakesTheLowerCaseFromTheValue) {
  EXPECT_EQ(expand("%s/%u/%d %S/%U/%D/%1", "k@kd.org", "v@vd"), "v@vd/v/vd k@kd.org/k/kd.org/org");
}

struct SqlRow {
  const char* query;
  SqlDialect dialect;
  const char* statement;  // or "wrong"
  std::size_t parameters;
};

const SqlDialect kPlain{};
const SqlDialect kPg{.numbered = true};
const SqlDialect kMy{.backslash_escapes = true, .double_quoted_string = true};

class Sql : public testing::TestWithParam<SqlRow> {};

TEST_P(Sql, BindsEveryExpansion) {
  const SqlRow& row = GetParam();
  SqlQuery query;
  std::string wrong;
  if (!SqlQuery::parse(row.query, row.dialect, query, wrong)) {
    EXPECT_STREQ("wrong", row.statement) << wrong;
    EXPECT_FALSE(wrong.empty());
    return;
  }
  EXPECT_EQ(query.statement(), row.statement);
  EXPECT_EQ(query.parameters(), row.parameters);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Sql,
    testing::Values(
        SqlRow{"SELECT a FROM t WHERE u='%u' AND d='%d'", kPlain,
               "SELECT a FROM t WHERE u=? AND d=?", 2},
        SqlRow{"SELECT a FROM t WHERE u='%u@%d' AND x='y'", kPg,
               "SELECT a FROM t WHERE u=$1 AND x='y'", 1},
        SqlRow{"SELECT a WHERE u=%s", kPg, "SELECT a WHERE u=$1", 1},
        SqlRow{"SELECT 5 %% 2, '100%%'", kPlain, "SELECT 5 % 2, '100%'", 0},
        SqlRow{"SELECT 'it''s %s'", kPlain, "SELECT ?", 1},
        SqlRow{"SELECT 'it''s'", kPlain, "SELECT 'it''s'", 0},
        SqlRow{"SELECT \"%s\"", kMy, "SELECT ?", 1}, SqlRow{"SELECT \"%s\"", kPg, "wrong", 0},
        SqlRow{"SELECT \"col\" FROM `t`", kPg, "SELECT \"col\" FROM `t`", 0},
        SqlRow{"SELECT 'a\\'%s'", kMy, "SELECT ?", 1},
        SqlRow{"SELECT 1 -- it's %s\n", kPlain, "wrong", 0},
        SqlRow{"SELECT 1 -- it's\n, '%s'", kPlain, "SELECT 1 -- it's\n, ?", 1},
        SqlRow{"SELECT 1 # it's\n, '%s'", kMy, "SELECT 1 # it's\n, ?", 1},
        SqlRow{"SELECT /* ' */ '%s'", kPlain, "SELECT /* ' */ ?", 1},
        SqlRow{"SELECT $x$ ' $x$, '%s'", kPg, "SELECT $x$ ' $x$, $1", 1},
        SqlRow{"SELECT $$%s$$", kPg, "wrong", 0}, SqlRow{"SELECT E'%s'", kPg, "wrong", 0},
        SqlRow{"SELECT '%s", kPlain, "wrong", 0}, SqlRow{"SELECT '%q'", kPlain, "wrong", 0},
        SqlRow{"SELECT `%s`", kMy, "wrong", 0}, SqlRow{"SELECT /* %s */ 1", kPlain, "wrong", 0}));

TEST(Sql, TheKeyIsAParameterWhateverItHolds) {
  SqlQuery query;
  std::string wrong;
  ASSERT_TRUE(SqlQuery::parse("SELECT a WHERE u='x%u' AND s=%s", kPg, query, wrong)) << wrong;
  std::vector<std::string> values;
  EXPECT_EQ(query.bind("'; DROP--@d", values), Answer::found);
  EXPECT_EQ(values, (std::vector<std::string>{"x'; DROP--", "'; DROP--@d"}));
  EXPECT_EQ(query.bind("@d", values), Answer::absent);
}

QueryConfig config_of(std::string_view text) {
  std::string detail;
  Result<QueryConfig> config = QueryConfig::parse(text, "t.cf", detail);
  EXPECT_TRUE(config.ok()) << detail;
  return std::move(config).value();
}

TEST(QueryConfig, ReadsParametersAndTellsMistakes) {
  QueryConfig config = config_of("# x\nhosts = a,\n  b\nport=70000\ntimeout = 2m\ntypo = 1\n");
  EXPECT_EQ(config.list("hosts"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.number("port", 5, 1, 65535), 5u);
  EXPECT_EQ(config.milliseconds("timeout", 10), 120'000);
  EXPECT_EQ(config.milliseconds("other", 10), 10'000);
  EXPECT_TRUE(config.yes("flag", true));
  EXPECT_EQ(config.required("query"), "");
  const std::string problems = config.problems();
  for (const char* part : {"port = 70000", "query is missing", "typo is not a parameter"}) {
    EXPECT_NE(problems.find(part), std::string::npos) << part << " in " << problems;
  }
  std::string detail;
  EXPECT_FALSE(QueryConfig::parse("a = 1\nb\n", "t.cf", detail).ok());
  EXPECT_NE(detail.find("t.cf:2"), std::string::npos);
  EXPECT_FALSE(QueryConfig::parse("a = 1\na = 2\n", "t.cf", detail).ok());
}

TEST(QueryRules, ChooseKeysByDomain) {
  QueryConfig config = config_of("domain = example.org, Example.NET\n");
  const QueryRules rules(config);
  EXPECT_EQ(config.problems(), "");
  EXPECT_TRUE(rules.wants("u@EXAMPLE.org"));
  EXPECT_TRUE(rules.wants("u@example.net"));
  for (const char* no : {"", "u", "@example.org", "u@example.com", "u@sub.example.org"}) {
    EXPECT_FALSE(rules.wants(no)) << no;
  }
  QueryConfig all = config_of("");
  QueryRules any(all);
  EXPECT_TRUE(any.wants("u"));
  EXPECT_FALSE(any.wants(std::string_view("a\0b", 3)));
  EXPECT_FALSE(any.wants("\xc0\x80"));
  EXPECT_TRUE(any.wants("\xc3\xa9"));
  any.text_only = false;
  EXPECT_TRUE(any.wants(std::string_view("a\0b", 3)));
}

TEST(QueryRules, FormatJoinAndLimitResults) {
  QueryConfig config = config_of("result_format = <%s>\nexpansion_limit = 2\n");
  const QueryRules rules(config);
  std::string joined;
  Results none(rules, "k");
  EXPECT_EQ(none.take(joined), Answer::absent);
  Results results(rules, "k");
  EXPECT_TRUE(results.add("a").ok());
  EXPECT_TRUE(results.add("").ok());
  EXPECT_TRUE(results.add("b").ok());
  EXPECT_FALSE(results.add("c").ok());
  EXPECT_EQ(results.take(joined), Answer::found);
  EXPECT_EQ(joined, "<a>,<b>");
}

TEST(QueryMap, ShowsNoPasswordOfAUrl) {
  if (find_map_type("pgsql") == nullptr) GTEST_SKIP() << "pgsql is not built";
  Scratch scratch;
  scratch.write("t.cf",
                "hosts = postgresql://u:hidden@127.0.0.1:1/db?password=hidden\nquery = SELECT 1\n");
  std::string detail;
  const auto map = open_map("pgsql:" + scratch.path("t.cf"), {}, detail);
  ASSERT_TRUE(map.ok()) << detail;
  std::string value;
  EXPECT_FALSE(map.value()->lookup("key", value).ok());
  EXPECT_NE(map.value()->detail().find("127.0.0.1:1/db: "), std::string::npos);
  EXPECT_EQ(map.value()->detail().find("hidden"), std::string::npos) << map.value()->detail();
}

TEST(Utf8, IsCheckedAsRfc3629Says) {
  for (const char* good :
       {"", "a", "\xc2\x80", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc2", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace qv::maps
