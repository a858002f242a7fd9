// SPDX-License-Identifier: 0BSD
#include "control/reloaded.h"

#include <gtest/gtest.h>

#include "core/fault.h"
#include "tests/fakes/test_tree.h"

namespace qv::control {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

// The wall clock, which only the test moves.
std::int64_t wall_ns = 0;
std::int64_t test_clock() { return wall_ns; }

class ReloadedTest : public testing::Test {
 protected:
  // One look, `seconds` after the beginning.
  Reload look(double seconds) {
    return value_.refresh(static_cast<std::int64_t>(seconds * 1e6),
                          [this](std::vector<SourceStamp>& files) { return read(files); });
  }
  bool changed_at(double seconds) { return look(seconds) == Reload::taken; }

  // The whole text of the file; absent: "-".
  Result<std::string> read(std::vector<SourceStamp>& files) {
    ++readings_;
    if (broken_) return Error{Fault::retry, EIO, "read"};
    Result<std::string> text = read_regular_file(tree_.path("file"), 100, files.emplace_back());
    if (!text.ok() && errno_means_absent(files.back().errnum)) return std::string("-");
    return text;
  }
  // What serves; nothing: "(none)".
  std::string value() { return value_.value() == nullptr ? "(none)" : *value_.value(); }

  // The file is so many seconds old.
  void age(double seconds) const {
    wall_ns = take_stamp(tree_.path("file").c_str()).changed_ns +
              static_cast<std::int64_t>(seconds * static_cast<double>(kSecondNs));
  }
  // In place, or by rename; it is a second and a half old then.
  void write(std::string_view text) const {
    tree_.write("file", text);
    age(1.5);
  }
  void replace(std::string_view text) const {
    tree_.replace("file", text);
    age(1.5);
  }
  // As after a first reading that has settled: the file is one and a half seconds old, then two and
  // a half.
  void settle() {
    age(1.5);
    EXPECT_TRUE(changed_at(0));
    age(2.5);
    EXPECT_TRUE(changed_at(1));
    EXPECT_FALSE(changed_at(2));
  }

  TestTree tree_;
  Reloaded<std::string> value_{test_clock};
  bool broken_ = false;
  int readings_ = 0;
};

TEST_F(ReloadedTest, SaysChangedAtFirstAndOnceMore) {
  write("a\n");
  settle();
  EXPECT_FALSE(changed_at(3));
  EXPECT_EQ(readings_, 2);
}

TEST_F(ReloadedTest, AMissingFileIsAStateLikeAnyOther) {
  EXPECT_TRUE(changed_at(0));
  EXPECT_FALSE(changed_at(1)) << "there is nothing that could be read once more";
  EXPECT_FALSE(changed_at(2));
  write("a\n");
  EXPECT_TRUE(changed_at(3));
  age(2.5);
  EXPECT_TRUE(changed_at(4));
  EXPECT_FALSE(changed_at(5));
  tree_.remove("file");
  EXPECT_TRUE(changed_at(6));
  EXPECT_EQ(value(), "-");
  EXPECT_EQ(value_.files()[0].errnum, ENOENT);
}

TEST_F(ReloadedTest, LooksOncePerInterval) {
  write("a\n");
  settle();
  write("longer\n");
  EXPECT_FALSE(changed_at(2.5));
  EXPECT_FALSE(changed_at(2.999999));
  EXPECT_TRUE(changed_at(3));
}

TEST_F(ReloadedTest, NoticesReplacementByAFileOfTheSameSize) {
  write("a\n");
  settle();
  replace("b\n");
  EXPECT_TRUE(changed_at(3));
  EXPECT_EQ(value(), "b\n");
}

TEST_F(ReloadedTest, NoticesAFileThatIsRewritten) {
  write("a\n");
  settle();
  write("bb\n");
  EXPECT_TRUE(changed_at(3));
}

TEST_F(ReloadedTest, NoticesAChangeOfMode) {
  write("a\n");
  settle();
  const std::int64_t before = value_.files()[0].changed_ns;
  for (mode_t mode = 0; take_stamp(tree_.path("file").c_str()).changed_ns == before;) {
    ASSERT_EQ(chmod(tree_.path("file").c_str(), 0600 | (mode ^= 1)), 0);
  }
  EXPECT_TRUE(changed_at(3));
}

TEST_F(ReloadedTest, ForcedSaysChangedWhateverTheTime) {
  write("a\n");
  settle();
  age(2.5);
  value_.force();
  EXPECT_TRUE(changed_at(2.1));
  EXPECT_FALSE(changed_at(2.2));
}

TEST_F(ReloadedTest, AReadingThatFailedIsTriedAgainAndTheOldValueServes) {
  write("a\n");
  settle();
  broken_ = true;
  value_.force();
  EXPECT_EQ(look(2), Reload::failed);
  EXPECT_EQ(look(2.5), Reload::none);
  EXPECT_EQ(look(3), Reload::failed);
  EXPECT_EQ(value(), "a\n");
  EXPECT_EQ(value_.error()->errnum, EIO);
  broken_ = false;
  EXPECT_EQ(look(4), Reload::taken) << "though the file has not changed";
  EXPECT_FALSE(value_.error().has_value());
}

TEST_F(ReloadedTest, ATroubleIsSaidOnceAndAgainWhenForcedOrNewlyMet) {
  write("a\n");
  EXPECT_EQ(value_.take_trouble(), "");
  const auto fails_at = [this](double seconds, bool broken) {
    broken_ = broken;
    look(seconds);
    return value_.take_trouble();
  };
  EXPECT_EQ(fails_at(0, true), "read: Input/output error");
  EXPECT_EQ(fails_at(1, true), "");
  value_.force();
  EXPECT_EQ(fails_at(1.5, true), "read: Input/output error");
  EXPECT_EQ(fails_at(3, false), "");
  write("b\n");
  EXPECT_EQ(fails_at(4, true), "read: Input/output error");
  broken_ = false;
}

TEST_F(ReloadedTest, AnErrorAtTheStartIsNotNothing) {
  write("a\n");
  broken_ = true;
  EXPECT_EQ(value_.error()->fault, Fault::retry) << "before the first reading";
  EXPECT_EQ(look(0), Reload::failed);
  EXPECT_EQ(value(), "(none)");
  broken_ = false;
  EXPECT_EQ(look(1), Reload::taken);
  EXPECT_EQ(value(), "a\n");
}

// Within one tick of the file system's clock: size and times are as they were.
TEST_F(ReloadedTest, AFileReplacedTwiceWithinOneTickIsNoticed) {
  write("a\n");
  age(0);
  EXPECT_TRUE(changed_at(0));
  const std::int64_t before = value_.files()[0].changed_ns;
  int tries = 0;
  do {
    write("b\n");
  } while (take_stamp(tree_.path("file").c_str()).changed_ns != before && ++tries < 3);
  EXPECT_TRUE(changed_at(1));
  EXPECT_EQ(value(), "b\n");
}

// A file server whose clock is ahead of ours.
TEST_F(ReloadedTest, AFileWithATimeInTheFutureSettlesByOurOwnClock) {
  write("a\n");
  age(-3600);
  EXPECT_TRUE(changed_at(0));
  EXPECT_TRUE(changed_at(1));
  EXPECT_TRUE(changed_at(2));
  EXPECT_FALSE(changed_at(3));
  EXPECT_FALSE(changed_at(4));
}

TEST_F(ReloadedTest, AForcedReadingDoesNotMakeItSettle) {
  write("a\n");
  age(0);
  EXPECT_TRUE(changed_at(0));
  value_.force();
  EXPECT_TRUE(changed_at(0.1));
  EXPECT_TRUE(changed_at(1.1));
}

TEST_F(ReloadedTest, DroppedThereIsNoneUntilTheNextReading) {
  write("a\n");
  settle();
  value_.drop();
  EXPECT_EQ(value(), "(none)");
  replace("b\n");
  EXPECT_TRUE(changed_at(3));
  EXPECT_EQ(value(), "b\n");
}

// ---- files that somebody may be writing ----

struct Row {
  const char* what;
  const char* text;
  double age;
  bool believed;
};

class Young : public ReloadedTest, public testing::WithParamInterface<Row> {};

TEST_P(Young, SuccessorIsBelievedOrTheOldValueServes) {
  write("old\n");
  settle();
  write(GetParam().text);
  age(GetParam().age);
  EXPECT_EQ(look(3), GetParam().believed ? Reload::taken : Reload::none);
  EXPECT_EQ(value(), GetParam().believed ? GetParam().text : "old\n");
  age(GetParam().age + 2.1);
  look(4);
  EXPECT_EQ(value(), GetParam().text) << "after two seconds";
}

TEST_P(Young, FirstOneIsBelievedOrCannotBeTold) {
  write(GetParam().text);
  age(GetParam().age);
  EXPECT_EQ(look(0), GetParam().believed ? Reload::taken : Reload::failed);
  EXPECT_EQ(value(), GetParam().believed ? GetParam().text : "(none)");
  if (!GetParam().believed) {
    EXPECT_EQ(value_.error()->fault, Fault::retry);
    EXPECT_NE(value_.take_trouble(), "");
  }
  look(1);
  EXPECT_EQ(value_.take_trouble(), "") << "said once";
  look(2);  // it has stayed as it is for two seconds
  EXPECT_EQ(value(), GetParam().text);
}

TEST_P(Young, OneIsBelievedByAProgramThatReadsOnce) {
  write(GetParam().text);
  Reloaded<std::string> once(end_of_time_ns);
  EXPECT_EQ(once.refresh(0, [this](auto& files) { return read(files); }), Reload::taken);
  EXPECT_EQ(*once.value(), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(Reloaded, Young,
                         testing::Values(Row{"Finished", "one\ntwo\n", 0, true},
                                         Row{"Empty", "", 0, false},
                                         Row{"EmptyAndAlmostSettled", "", 1.5, false},
                                         Row{"EmptyAndSettled", "", 2.5, true},
                                         Row{"Unfinished", "one\ntw", 0, false},
                                         Row{"UnfinishedAndSettled", "one\ntw", 2.5, true}),
                         [](const auto& row) { return std::string(row.param.what); });

// As an editor does that saves in place: the old value serves all along.
TEST_F(ReloadedTest, AFileBeingRewrittenIsNotBelievedBeforeItIsWhole) {
  write("old\n");
  settle();
  double now = 3;
  for (const char* half : {"", "one\ntw", "", "one\ntwo\nthr"}) {
    write(half);
    age(0);
    EXPECT_EQ(look(now++), Reload::none);
    EXPECT_EQ(value(), "old\n");
  }
  write("one\ntwo\nthree\n");
  EXPECT_TRUE(changed_at(now));
  EXPECT_EQ(value(), "one\ntwo\nthree\n");
}

}  // namespace
}  // namespace qv::control
