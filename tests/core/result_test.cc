// SPDX-License-Identifier: 0BSD
#include "core/result.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace qv {
namespace {

constexpr Error kDenied{Fault::denied, EACCES, "open"};

void expect_denied(const Error& error) {
  EXPECT_EQ(error.fault, Fault::denied);
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_STREQ(error.what, "open");
}

Result<std::string> text_or(bool fails) {
  if (fails) return kDenied;
  return std::string("text");
}

Result<void> done_or(bool fails) {
  if (fails) return kDenied;
  return {};
}

TEST(Result, IsAValueOrAnError) {
  const Result<std::string> good = text_or(false);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good.value(), "text");
  const Result<std::string> bad = text_or(true);
  ASSERT_FALSE(bad.ok());
  expect_denied(bad.error());
}

TEST(Result, OfNothingIsDoneOrAnError) {
  EXPECT_TRUE(done_or(false).ok());
  const Result<void> bad = done_or(true);
  ASSERT_FALSE(bad.ok());
  expect_denied(bad.error());
}

TEST(Result, AnErrorThatSaysNothingIsToBeTriedAgain) {
  EXPECT_EQ(Error{}.fault, Fault::retry);
  EXPECT_EQ(Error{}.errnum, 0);
  EXPECT_STREQ(Error{}.what, "");
}

TEST(Result, HoldsWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(7);
  *made.value() += 1;
  const std::unique_ptr<int> taken = std::move(made).value();
  EXPECT_EQ(*taken, 8);
}

TEST(ResultDeathTest, WhatIsNotThereIsNotGiven) {
  EXPECT_DEATH(static_cast<void>(text_or(true).value()), "");
  EXPECT_DEATH(static_cast<void>(text_or(false).error()), "");
  EXPECT_DEATH(static_cast<void>(done_or(false).error()), "");
}

// How far it came, and the length of the text.
Result<std::size_t> try_both(bool first_fails, bool second_fails, int& steps) {
  QV_TRY(const std::string text, text_or(first_fails));
  ++steps;
  QV_TRY_VOID(done_or(second_fails));
  ++steps;
  return text.size();
}

TEST(Result, TryReturnsTheErrorAndNothingBehindItIsRun) {
  int steps = 0;
  const Result<std::size_t> good = try_both(false, false, steps);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good.value(), 4u);
  EXPECT_EQ(steps, 2);

  steps = 0;
  const Result<std::size_t> first = try_both(true, false, steps);
  ASSERT_FALSE(first.ok());
  expect_denied(first.error());
  EXPECT_EQ(steps, 0);

  const Result<std::size_t> second = try_both(false, true, steps);
  ASSERT_FALSE(second.ok());
  expect_denied(second.error());
  EXPECT_EQ(steps, 1);
}

TEST(Result, TryAssignsToWhatIsThere) {
  const auto both = [](bool fails) -> Result<std::string> {
    std::string text = "before";
    QV_TRY(text, text_or(fails));
    return text;
  };
  const Result<std::string> good = both(false);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good.value(), "text");
  EXPECT_FALSE(both(true).ok());
}

}  // namespace
}  // namespace qv
