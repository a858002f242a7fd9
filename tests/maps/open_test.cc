// SPDX-License-Identifier: 0BSD
#include "maps/open.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/maps/cdb_maker.h"

namespace qv::maps {
namespace {

std::string ask(Map& map, std::string_view key) {
  std::string value;
  const Result<Answer> answer = map.lookup(key, value);
  if (!answer.ok()) return std::string("fault ") + std::to_string(int(answer.error().fault));
  return answer.value() == Answer::found ? value : "absent";
}
const std::string kConfigFault = "fault " + std::to_string(int(Fault::config));

TEST(Open, NamesTheTypesThereAre) {
  std::string detail;
  const auto map = open_map("nosuch:x", {}, detail);
  ASSERT_FALSE(map.ok());
  EXPECT_EQ(map.error().fault, Fault::config);
  EXPECT_NE(detail.find("nosuch"), std::string::npos);
  EXPECT_NE(detail.find("texthash"), std::string::npos);
  EXPECT_FALSE(open_map("/etc/passwd", {}, detail).ok());
  EXPECT_NE(detail.find("type:name"), std::string::npos);
}

// A child of a process that has opened a cdb already begins without the parent's signal handlers.
TEST(Open, EachCdbIsGuardedAgainstTruncation) {
  const Scratch scratch;
  make_cdb(scratch.path("t.cdb"), {{"a", std::string(100000, 'x')}, {"b", "y"}});
  std::string detail;
  ASSERT_TRUE(open_map("cdb:" + scratch.path("t"), {}, detail).ok());
  signal(SIGBUS, SIG_DFL);
  const auto map = open_map("cdb:" + scratch.path("t"), {}, detail);
  ASSERT_TRUE(map.ok());
  ASSERT_EQ(truncate(scratch.path("t.cdb").c_str(), 4096), 0);
  EXPECT_EQ(ask(*map.value(), "b").substr(0, 5), "fault");
}

TEST(Open, NestsUnionsAndPipes) {
  std::string detail;
  const auto map =
      open_map("unionmap:{pipemap:{inline:{a=b},inline:{b=c}}, static:{ two words }}", {}, detail);
  ASSERT_TRUE(map.ok()) << detail;
  EXPECT_EQ(ask(*map.value(), "a"), "c,two words");
  EXPECT_EQ(ask(*map.value(), "x"), "two words");
  std::string deep = "static:x";
  for (int i = 0; i < 50; ++i) deep = "unionmap:{" + deep + "}";
  EXPECT_FALSE(open_map(deep, {}, detail).ok());
  for (const char* bad : {"unionmap:{}", "unionmap:static:x", "unionmap:{nosuch:x}", "unionmap:{",
                          "inline:{}", "inline:{a}", "inline:{a=b,a=c}", "inline:a=b"}) {
    EXPECT_FALSE(open_map(bad, {}, detail).ok()) << bad;
    EXPECT_FALSE(detail.empty());
  }
}

TEST(Open, AUnionFailsWithItsMember) {
  std::string detail;
  const auto map = open_map("unionmap:{static:x, {fail:config down}}", {}, detail);
  ASSERT_TRUE(map.ok()) << detail;
  EXPECT_EQ(ask(*map.value(), "a"), kConfigFault);
  EXPECT_EQ(map.value()->detail(), "down");
}

TEST(Open, FoldsKeysOnlyWhereAsked) {
  std::string detail;
  const auto plain = open_map("inline:{User=1}", {}, detail);
  EXPECT_EQ(ask(*plain.value(), "user"), "absent");
  EXPECT_EQ(ask(*plain.value(), "User"), "1");
  const auto folded = open_map("inline:{User=1}", {.fold_keys = true}, detail);
  EXPECT_EQ(ask(*folded.value(), "uSER"), "1");
  const auto pattern = open_map("pcre:{{/^A$/i x}}", {.fold_keys = true}, detail);
  if (pattern.ok()) {
    EXPECT_EQ(ask(*pattern.value(), "A"), "x");
  }
}

TEST(Open, AnEmptyAddressTableGivesNoAnswer) {
  const Scratch scratch;
  scratch.write("t", "# nothing yet\n");
  make_cdb(scratch.path("t.cdb"), {});
  std::string detail;
  for (const std::string name : {"texthash:", "cdb:", "regexp:"}) {
    const auto strict = open_map(name + scratch.path("t"), {.refuse_empty = true}, detail);
    ASSERT_TRUE(strict.ok()) << detail;
    EXPECT_EQ(ask(*strict.value(), "a"), kConfigFault) << name;
    EXPECT_FALSE(strict.value()->detail().empty());
    const auto plain = open_map(name + scratch.path("t"), {}, detail);
    EXPECT_EQ(ask(*plain.value(), "a"), "absent") << name;
    EXPECT_TRUE(plain.value()->is_empty());
  }
}

TEST(Open, AFailedTableKeepsItsReason) {
  std::string notice;
  const auto map = open_watched_map("texthash:/nowhere/t", {},
                                    [&notice](std::string_view line) { notice = line; });
  ASSERT_NE(map, nullptr);
  EXPECT_EQ(ask(*map, "a"), kConfigFault);
  EXPECT_NE(map->detail().find("/nowhere/t"), std::string::npos);
  EXPECT_EQ(notice, "texthash:/nowhere/t: " + map->detail());
}

// A table with a clock that only the test moves.
class Watched : public testing::Test {
 protected:
  void watch(const std::string& name, const MapOptions& options = {}) {
    map_ = open_watched_map(
        name, options, [this](std::string_view line) { told_.emplace_back(line); },
        [this] { return now_us_; });
  }
  void pass_a_second() { now_us_ += 1'000'001; }
  // What is said after a second has passed.
  std::string later(std::string_view key) {
    pass_a_second();
    return ask(*map_, key);
  }

  Scratch scratch_;
  std::unique_ptr<Map> map_;
  std::int64_t now_us_ = 5'000'000;
  std::vector<std::string> told_;
};

TEST_F(Watched, NoticesAChangeWithinASecondAndNotBefore) {
  watch("texthash:" + scratch_.write("t", "a 1\n"));
  EXPECT_EQ(ask(*map_, "a"), "1");
  scratch_.write("t", "a second\n");
  EXPECT_EQ(ask(*map_, "a"), "1");
  EXPECT_EQ(later("a"), "second");
  scratch_.replace("t", "a third\n");
  EXPECT_EQ(later("a"), "third");
  EXPECT_TRUE(told_.empty());
}

TEST_F(Watched, NoticesAChangeThatLeavesSizeAndTimesAlike) {
  watch("texthash:" + scratch_.write("t", "a 1\n"));
  scratch_.write("t", "a 2\n");  // within the same tick of the file system's clock, perhaps
  EXPECT_EQ(later("a"), "2");
}

TEST_F(Watched, KeepsTheOldTableUntilTheNewOneIsWhole) {
  make_cdb(scratch_.path("t.cdb"), {{"a", "1"}});
  watch("cdb:" + scratch_.path("t"));
  EXPECT_EQ(ask(*map_, "a"), "1");
  make_cdb(scratch_.path("new.cdb"), {{"a", "2"}});
  const std::string whole = scratch_.read("new.cdb");
  scratch_.replace("t.cdb", whole.substr(0, whole.size() - 5));
  EXPECT_EQ(later("a"), "1");
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(later("a"), "1");
  EXPECT_EQ(told_.size(), 1u) << "said once, not every second";
  scratch_.replace("t.cdb", whole);
  EXPECT_EQ(later("a"), "2");
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(Watched, AMappedTableThatIsCutShortInPlaceIsGone) {
  for (const off_t size : {0, 100, 2048, 2090}) {
    make_cdb(scratch_.path("t.cdb"), {{"a", "1"}, {"b", "2"}});
    watch("cdb:" + scratch_.path("t"));
    EXPECT_EQ(ask(*map_, "a"), "1");
    ASSERT_EQ(truncate(scratch_.path("t.cdb").c_str(), size), 0);
    for (const char* key : {"a", "b", "c"}) {
      EXPECT_TRUE(later(key).starts_with("fault")) << key << " of " << size;
    }
    make_cdb(scratch_.path("t.cdb"), {{"a", "3"}});
    EXPECT_EQ(later("a"), "3");
  }
}

TEST_F(Watched, AMissingFileFailsUntilItIsThere) {
  watch("texthash:" + scratch_.path("t"));
  EXPECT_EQ(ask(*map_, "a"), kConfigFault);
  EXPECT_EQ(later("a"), kConfigFault);
  ASSERT_EQ(told_.size(), 1u);
  scratch_.write("t", "a 1\n");
  EXPECT_EQ(ask(*map_, "a"), kConfigFault);
  EXPECT_EQ(later("a"), "1");
}

TEST_F(Watched, ARemovedFileGoesOnServing) {
  watch("texthash:" + scratch_.write("t", "a 1\n"));
  unlink(scratch_.path("t").c_str());
  EXPECT_EQ(later("a"), "1");
  EXPECT_EQ(later("b"), "absent");
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_NE(told_[0].find("gone"), std::string::npos);
}

TEST_F(Watched, ATableThatBecomesEmptyGivesNoAnswer) {
  watch("texthash:" + scratch_.write("t", "a 1\n"), {.refuse_empty = true});
  scratch_.replace("t", "");
  EXPECT_EQ(later("a"), "1") << "somebody may be writing it";
  later("a");
  EXPECT_EQ(later("a"), kConfigFault) << "it has been empty for two seconds";
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_NE(told_[0].find("empty"), std::string::npos);
  scratch_.replace("t", "a 2\n");
  EXPECT_EQ(later("a"), "2");
}

TEST_F(Watched, ATableBeingWrittenIsNotBelieved) {
  const std::string table = "texthash:" + scratch_.write("t", "a 1\nb");
  watch(table);
  EXPECT_TRUE(ask(*map_, "a").starts_with("fault")) << "there is nothing older to serve";
  scratch_.write("t", "a 1\nb 2\n");
  EXPECT_EQ(later("b"), "2");
  scratch_.write("t", "a 1\n");
  scratch_.write("t", "a 1\nb 2");
  EXPECT_EQ(later("b"), "2");
  scratch_.write("t", "a 3\nb");
  EXPECT_EQ(later("a"), "1");
  scratch_.write("t", "a 3\nb 4\n");
  EXPECT_EQ(later("b"), "4");
}

TEST_F(Watched, FollowsTheMembersOfAUnion) {
  scratch_.write("one", "a 1\n");
  scratch_.write("two", "a 2\n");
  watch("unionmap:{texthash:" + scratch_.path("one") + ", texthash:" + scratch_.path("two") + "}");
  EXPECT_EQ(ask(*map_, "a"), "1,2");
  scratch_.replace("two", "a 3\n");
  EXPECT_EQ(later("a"), "1,3");
}

}  // namespace
}  // namespace qv::maps
