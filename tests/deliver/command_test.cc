// SPDX-License-Identifier: 0BSD
#include "deliver/command.h"

#include <gtest/gtest.h>

#include <map>

namespace qv::deliver {
namespace {

class CommandTest : public ::testing::Test {
 protected:
  Environment environment() {
    return [this](std::string_view name) -> std::optional<std::string> {
      const auto row = variables_.find(std::string(name));
      if (row == variables_.end()) return std::nullopt;
      return row->second;
    };
  }
  std::string first(std::string_view words) {
    return expand_first(words, environment()).value_or("(none)");
  }
  std::map<std::string, std::string> variables_{
      {"DEFAULT", "bob"}, {"EXT", "v-bob"}, {"HOST", "example.org"}, {"SENDER", "a@x"}};
  std::string problem_;
};

TEST_F(CommandTest, TakesTheFirstWordWhoseVariablesAreSet) {
  EXPECT_EQ(first("$DEFAULT@$HOST $EXT@$HOST"), "bob@example.org");
  variables_.erase("DEFAULT");
  EXPECT_EQ(first("$DEFAULT@$HOST  $EXT@$HOST"), "v-bob@example.org");
  variables_["EXT"] = "";
  EXPECT_EQ(first("$DEFAULT@$HOST $EXT@$HOST"), "(none)");
  EXPECT_EQ(first("fixed@$HOST"), "fixed@example.org");
  EXPECT_EQ(first("x-$HOST-y"), "x-example.org-y");
  EXPECT_EQ(first(""), "(none)");
  EXPECT_EQ(first("a$"), "a");
}

TEST_F(CommandTest, ValuesAreNotExpandedAgain) {
  variables_["DEFAULT"] = "$HOST x";
  EXPECT_EQ(first("$DEFAULT@$HOST"), "$HOST x@example.org");
}

TEST_F(CommandTest, TheCommandLineGoesBeforeTheEnvironment) {
  const auto envelopes = envelopes_of({"s@y", "o@z", {"b@z", "c@z", "b@z"}}, "$DEFAULT@$HOST",
                                      environment(), problem_);
  ASSERT_TRUE(envelopes.has_value());
  ASSERT_EQ(envelopes->size(), 2u);
  EXPECT_EQ((*envelopes)[0].sender, "s@y");
  EXPECT_EQ((*envelopes)[0].original, "o@z");
  EXPECT_EQ((*envelopes)[1].recipient, "c@z");
}

TEST_F(CommandTest, TheEnvironmentIsTheRest) {
  const auto envelopes = envelopes_of({{}, {}, {}}, "$DEFAULT@$HOST", environment(), problem_);
  ASSERT_TRUE(envelopes.has_value());
  ASSERT_EQ(envelopes->size(), 1u);
  EXPECT_EQ(envelopes->front().sender, "a@x");
  EXPECT_EQ(envelopes->front().recipient, "bob@example.org");
  EXPECT_EQ(envelopes->front().original, "bob@example.org");
}

TEST_F(CommandTest, AnEmptySenderIsOneAndNoneIsNot) {
  variables_["SENDER"] = "";
  EXPECT_TRUE(envelopes_of({{}, {}, {"b@z"}}, "", environment(), problem_).has_value());
  variables_.erase("SENDER");
  EXPECT_FALSE(envelopes_of({{}, {}, {"b@z"}}, "", environment(), problem_).has_value());
  EXPECT_FALSE(problem_.empty());
  EXPECT_TRUE(envelopes_of({"", {}, {"b@z"}}, "", environment(), problem_).has_value());
  EXPECT_FALSE(envelopes_of({"", {}, {}}, "$NONE", environment(), problem_).has_value());
}

}  // namespace
}  // namespace qv::deliver
