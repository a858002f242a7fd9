// SPDX-License-Identifier: 0BSD
#include "rcpt/decision.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace qv::rcpt {
namespace {

constexpr int kLast = static_cast<int>(Why::timeout);

// Of those with the same verdict: `probe` is what the next hop says, whatever it says.
TEST(Why, EachHasAWordOfItsOwnFitForTheWire) {
  std::set<std::pair<std::string_view, Verdict>> words;
  for (int i = 0; i <= kLast; ++i) {
    const std::string_view word = why_word(static_cast<Why>(i));
    EXPECT_TRUE(words.emplace(word, verdict_of(static_cast<Why>(i))).second) << word;
    EXPECT_FALSE(word.empty());
    EXPECT_LE(word.size(), 32u);
    EXPECT_EQ(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string_view::npos);
    EXPECT_FALSE(why_text(static_cast<Why>(i)).empty());
  }
}

TEST(Why, WhatIsNotValidHasASentenceForTheReply) {
  for (int i = 0; i <= kLast; ++i) {
    const Why why = static_cast<Why>(i);
    EXPECT_EQ(smtp_text(why).empty(), verdict_of(why) == Verdict::accept) << why_word(why);
    for (const char c : smtp_text(why)) EXPECT_TRUE(c >= ' ' && c <= '~');
  }
}

TEST(Why, FaultsAreNeverValid) {
  for (const Why why :
       {Why::control_error, Why::table_error, Why::passwd_error, Why::home_error, Why::timeout,
        Why::next_hop_defers, Why::accept_all_undecided, Why::probe_pending, Why::unreachable,
        Why::sender_refused, Why::probe_busy, Why::not_probed, Why::probe_error}) {
    EXPECT_EQ(verdict_of(why), Verdict::defer);
  }
  EXPECT_EQ(verdict_of(static_cast<Why>(250)), Verdict::defer);
}

TEST(Decision, SaysNothingBeforeItHasFallen) { EXPECT_EQ(Decision().verdict(), Verdict::defer); }

}  // namespace
}  // namespace qv::rcpt
