// SPDX-License-Identifier: 0BSD
#include "control/settings.h"

#include <gtest/gtest.h>

namespace qv {
namespace {

constexpr Setting kTable[] = {
    {.name = "LISTEN", .fallback = "127.0.0.1:1", .help = "where to listen"},
    {.name = "CACHETTL",
     .type = SettingType::number,
     .fallback = "1",
     .min = 1,
     .max = 60,
     .help = "seconds"},
    {.name = "LOG",
     .type = SettingType::choice,
     .fallback = "all",
     .choices = "all reject none",
     .help = "what to log"},
};

class SettingsTest : public testing::Test {
 protected:
  Settings read(std::map<std::string, std::string> given) {
    problems_.clear();
    return Settings(
        kTable,
        [given](std::string_view name) -> std::optional<std::string> {
          const auto it = given.find(std::string(name));
          if (it == given.end()) return std::nullopt;
          return it->second;
        },
        problems_);
  }
  std::vector<Problem> problems_;
};

TEST_F(SettingsTest, DefaultsStandInTheTable) {
  const Settings settings = read({});
  EXPECT_EQ(settings.text("LISTEN"), "127.0.0.1:1");
  EXPECT_EQ(settings.number("CACHETTL"), 1u);
  EXPECT_EQ(settings.choice("LOG"), 0u);
  EXPECT_TRUE(problems_.empty());
}

TEST_F(SettingsTest, GivenValuesCount) {
  const Settings settings = read({{"LISTEN", ""}, {"CACHETTL", "60"}, {"LOG", "none"}});
  EXPECT_EQ(settings.text("LISTEN"), "");
  EXPECT_EQ(settings.number("CACHETTL"), 60u);
  EXPECT_EQ(settings.choice("LOG"), 2u);
  EXPECT_TRUE(problems_.empty());
}

TEST_F(SettingsTest, WordsStandBetweenBlanks) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(read({{"LISTEN", " a:1  b:2 "}}).words("LISTEN"), (Words{"a:1", "b:2"}));
  EXPECT_EQ(read({{"LISTEN", "  "}}).words("LISTEN"), Words{});
  EXPECT_EQ(read({{"LISTEN", ""}}).words("LISTEN"), Words{});
}

TEST_F(SettingsTest, AMistakeIsReportedAndTheDefaultStays) {
  struct {
    const char* name;
    const char* value;
  } const rows[] = {{"CACHETTL", "0"},  {"CACHETTL", "61"}, {"CACHETTL", ""},
                    {"CACHETTL", "-1"}, {"CACHETTL", "1s"}, {"LOG", "some"},
                    {"LOG", ""},        {"LOG", "ALL"},     {"LOG", "all reject"}};
  for (const auto& row : rows) {
    const Settings settings = read({{row.name, row.value}});
    ASSERT_EQ(problems_.size(), 1u) << row.name << "=" << row.value;
    EXPECT_EQ(problems_[0].where, row.name);
    EXPECT_EQ(settings.number("CACHETTL"), 1u);
    EXPECT_EQ(settings.choice("LOG"), 0u);
  }
}

TEST_F(SettingsTest, EveryMistakeIsReported) {
  static_cast<void>(read({{"CACHETTL", "x"}, {"LOG", "x"}}));
  EXPECT_EQ(problems_.size(), 2u);
}

TEST(SettingsDeathTest, AnUndeclaredNameIsABug) {
  std::vector<Problem> problems;
  const Settings settings(
      kTable, [](std::string_view) { return std::nullopt; }, problems);
  EXPECT_DEATH(static_cast<void>(settings.text("OTHER")), "does not hold");
  EXPECT_DEATH(static_cast<void>(settings.number("LOG")), "does not hold");
}

TEST(Describe, ListsEachSettingWithItsDefault) {
  const std::string text = describe(kTable);
  EXPECT_NE(text.find("  LISTEN\n        where to listen [127.0.0.1:1]\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("  LOG (all reject none)\n        what to log [all]\n"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace qv
