// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "cache/record.h"

namespace qv::cache {
namespace {

using Probe = Judgement::Probe;

constexpr std::int64_t kNow = 2000000000;

CacheRecord learnt(RecipientStatus status, std::int64_t age, std::int64_t probe_age = -1) {
  return {status, probe_age < 0 ? 0 : kNow - probe_age, kNow - age, "said so"};
}

CacheRecord sent(std::int64_t probe_age) {
  return {RecipientStatus::todo, kNow - probe_age, 0, ""};
}

struct Row {
  const char* name;
  CacheRecord record;
  EntryState state;
  RecipientStatus answer;
  Probe probe;
};

class Judge : public testing::TestWithParam<Row> {};

TEST_P(Judge, SaysWhatARecordIsWorth) {
  const Row& row = GetParam();
  const Judgement judgement = judge(&row.record, kNow, {});
  EXPECT_EQ(judgement.state, row.state);
  EXPECT_EQ(judgement.answer, row.answer);
  EXPECT_EQ(judgement.probe, row.probe);
}

constexpr auto kOk = RecipientStatus::ok;
constexpr auto kBounce = RecipientStatus::bounce;
constexpr auto kDefer = RecipientStatus::defer;
constexpr auto kTodo = RecipientStatus::todo;

INSTANTIATE_TEST_SUITE_P(
    Rows, Judge,
    testing::Values(
        Row{"OkNew", learnt(kOk, 0), EntryState::fresh, kOk, Probe::not_needed},
        Row{"OkAtRefresh", learnt(kOk, 7 * kDay_s), EntryState::fresh, kOk, Probe::not_needed},
        Row{"OkPastRefresh", learnt(kOk, 7 * kDay_s + 1), EntryState::stale, kOk, Probe::needed},
        Row{"OkBeingRefreshed", learnt(kOk, 8 * kDay_s, 1000), EntryState::stale, kOk,
            Probe::not_needed},
        Row{"OkRefreshLost", learnt(kOk, 8 * kDay_s, 1001), EntryState::stale, kOk, Probe::needed},
        Row{"OkAtExpire", learnt(kOk, 31 * kDay_s), EntryState::stale, kOk, Probe::needed},
        Row{"OkExpired", learnt(kOk, 31 * kDay_s + 1), EntryState::lost, kTodo, Probe::needed},
        Row{"OkExpiredButAsked", learnt(kOk, 31 * kDay_s + 1, 5), EntryState::pending, kTodo,
            Probe::not_needed},
        Row{"BounceNew", learnt(kBounce, 1), EntryState::fresh, kBounce, Probe::not_needed},
        Row{"BounceAtRefresh", learnt(kBounce, 3 * kHour_s), EntryState::fresh, kBounce,
            Probe::not_needed},
        Row{"BouncePastRefresh", learnt(kBounce, 3 * kHour_s + 1), EntryState::stale, kBounce,
            Probe::needed},
        Row{"BounceAtExpire", learnt(kBounce, 3 * kDay_s), EntryState::stale, kBounce,
            Probe::needed},
        Row{"BounceExpired", learnt(kBounce, 3 * kDay_s + 1), EntryState::lost, kTodo,
            Probe::needed},
        Row{"DeferNew", learnt(kDefer, 0), EntryState::held, kDefer, Probe::not_needed},
        Row{"DeferAtHold", learnt(kDefer, 300), EntryState::held, kDefer, Probe::not_needed},
        Row{"DeferPastHold", learnt(kDefer, 301), EntryState::lost, kTodo, Probe::needed},
        Row{"DeferNeverHasNegativeTimes", learnt(kDefer, 2 * kHour_s), EntryState::lost, kTodo,
            Probe::needed},
        Row{"Asked", sent(0), EntryState::pending, kTodo, Probe::not_needed},
        Row{"AskedAtLimit", sent(1000), EntryState::pending, kTodo, Probe::not_needed},
        Row{"AskedAndLost", sent(1001), EntryState::lost, kTodo, Probe::needed},
        Row{"SlightlyInTheFuture", learnt(kOk, -1000), EntryState::fresh, kOk, Probe::not_needed},
        Row{"FarInTheFuture", learnt(kOk, -1001), EntryState::absent, kTodo, Probe::needed},
        Row{"ProbeFarInTheFuture", sent(-1001), EntryState::absent, kTodo, Probe::needed}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Rules, NothingKnownNeedsAProbe) {
  const Judgement judgement = judge(nullptr, kNow, {});
  EXPECT_EQ(judgement.state, EntryState::absent);
  EXPECT_EQ(judgement.answer, kTodo);
  EXPECT_EQ(judgement.probe, Probe::needed);
}

TEST(Rules, WithoutNegativeCacheAStoredBounceIsNotBelieved) {
  CacheTimes times;
  times.negative_cache = false;
  const CacheRecord bounce = learnt(kBounce, 1);
  const CacheRecord defer = learnt(kDefer, 1);
  const CacheRecord ok = learnt(kOk, 1);
  EXPECT_EQ(judge(&bounce, kNow, times).answer, kTodo);
  EXPECT_EQ(judge(&defer, kNow, times).answer, kTodo);
  EXPECT_EQ(judge(&ok, kNow, times).answer, kOk);
  const CacheRecord bounce_of_a_clock_ahead = learnt(kBounce, -500);
  EXPECT_EQ(judge(&bounce_of_a_clock_ahead, kNow, times).answer, kTodo);
}

TEST(RecordProbe, KeepsTheOldAnswerWhileItIsWorthSomething) {
  const CacheRecord ok = learnt(kOk, 8 * kDay_s);
  EXPECT_EQ(record_probe(&ok, kNow, {}), (CacheRecord{kOk, kNow, kNow - 8 * kDay_s, "said so"}));
  const CacheRecord expired = learnt(kOk, 32 * kDay_s);
  EXPECT_EQ(record_probe(&expired, kNow, {}), (CacheRecord{kTodo, kNow, 0, ""}));
  EXPECT_EQ(record_probe(nullptr, kNow, {}), (CacheRecord{kTodo, kNow, 0, ""}));
}

TEST(RecordProbe, WithoutNegativeCacheUnknownAddressesDoNotFillTheStore) {
  CacheTimes times;
  times.negative_cache = false;
  EXPECT_EQ(record_probe(nullptr, kNow, times), std::nullopt);
  const CacheRecord ok = learnt(kOk, 8 * kDay_s);
  EXPECT_NE(record_probe(&ok, kNow, times), std::nullopt);
}

struct OutcomeRow {
  const char* name;
  CacheRecord old;
  RecipientStatus outcome;
  bool stored;
};

class Outcome : public testing::TestWithParam<OutcomeRow> {};

TEST_P(Outcome, IsStoredOrIgnored) {
  const OutcomeRow& row = GetParam();
  const auto out = record_outcome(&row.old, row.outcome, "new", kNow, {});
  EXPECT_EQ(out.has_value(), row.stored);
  if (row.stored) {
    EXPECT_EQ(out, (CacheRecord{row.outcome, 0, kNow, "new"}));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Outcome,
    testing::Values(OutcomeRow{"OkOverTodo", sent(1), kOk, true},
                    OutcomeRow{"OkOverBounce", learnt(kBounce, 1), kOk, true},
                    OutcomeRow{"BounceOverTodo", sent(1), kBounce, true},
                    OutcomeRow{"BounceOverOk", learnt(kOk, 31 * kDay_s, 1), kBounce, false},
                    OutcomeRow{"DeferOverOk", learnt(kOk, 1), kDefer, false},
                    OutcomeRow{"BounceOverExpiredOk", learnt(kOk, 31 * kDay_s + 1), kBounce, true},
                    OutcomeRow{"DeferOverExpiredOk", learnt(kOk, 31 * kDay_s + 1), kDefer, true},
                    OutcomeRow{"DeferOverBounce", learnt(kBounce, 1), kDefer, true},
                    OutcomeRow{"BounceOverOkOfTheFuture", learnt(kOk, -5000), kBounce, true}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Rules, WithoutNegativeCacheOnlyOkIsStored) {
  CacheTimes times;
  times.negative_cache = false;
  EXPECT_EQ(record_outcome(nullptr, kBounce, "", kNow, times), std::nullopt);
  EXPECT_EQ(record_outcome(nullptr, kDefer, "", kNow, times), std::nullopt);
  EXPECT_NE(record_outcome(nullptr, kOk, "", kNow, times), std::nullopt);
}

TEST(Rules, CleanUpTakesWhatIsExpiredAndNotAwaited) {
  const auto state = [](const char* key, const CacheRecord& record) {
    return state_of(key, record, kNow, {});
  };
  EXPECT_EQ(state("a@x", learnt(kOk, 32 * kDay_s)), EntryState::lost);
  EXPECT_EQ(state("a@x", learnt(kOk, 32 * kDay_s, 10)), EntryState::pending);
  EXPECT_EQ(state("a@x", learnt(kOk, 30 * kDay_s)), EntryState::stale);
  EXPECT_EQ(state("a@x", sent(1001)), EntryState::lost);
  EXPECT_EQ(state("a@x", sent(10)), EntryState::pending);
  EXPECT_EQ(state("@x", learnt(kOk, 30 * kDay_s)), EntryState::lost);
  EXPECT_EQ(state("@x", learnt(kBounce, 10)), EntryState::fresh);
}

TEST(Rules, ADomainIsBelievedForItsOwnTime) {
  const CacheRecord takes_all = learnt(kOk, kDay_s);
  const CacheRecord refuses = learnt(kBounce, kDay_s);
  const CacheRecord old = learnt(kOk, kDay_s + 1);
  const CacheRecord unsure = learnt(kDefer, 1);
  EXPECT_EQ(judge_domain(&takes_all, kNow, {}), AcceptAll::yes);
  EXPECT_EQ(judge_domain(&refuses, kNow, {}), AcceptAll::no);
  EXPECT_EQ(judge_domain(&old, kNow, {}), AcceptAll::unknown);
  EXPECT_EQ(judge_domain(&unsure, kNow, {}), AcceptAll::unknown);
  EXPECT_EQ(judge_domain(nullptr, kNow, {}), AcceptAll::unknown);
}

}  // namespace
}  // namespace qv::cache
