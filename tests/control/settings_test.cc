// SPDX-License-Identifier: 0BSD
#include "control/settings.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace qv::control {
namespace {

enum class Log : std::uint8_t { all, reject, none };

std::string check_word(std::string_view word) { return word == "bad" ? "it is bad" : ""; }

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    char name[] = "/tmp/qv-settings-XXXXXX";
    home_ = mkdtemp(name);
    std::filesystem::create_directory(home_ + "/control");
    environment_["QMAILHOME"] = home_;
  }
  ~SettingsTest() override { std::filesystem::remove_all(home_); }

  struct Options {
    std::string home;
    std::vector<std::string> listen;
    std::int64_t cache_us = 0;
    Log log = Log::all;
    std::int64_t wait_s = 0;
    mode_t mode = 0;
    bool is_strict = false;
    std::string account;
    std::string place;
    std::string table;
    std::string free;
  };

  static std::vector<Setting> rows(Options& o) {
    using namespace setting;
    return {{"qmailhome", setting::path(o.home), "/q", "", "", kOfProcess},
            {"listen", setting::words(o.listen, check_word), "127.0.0.1:1", "where to listen", "",
             kOfProcess},
            {"cachettl", setting::number(o.cache_us, 1, 60, std::int64_t{1000000}), "1", ""},
            {"log", setting::choice(o.log, "all reject none"), "all", "what to log"},
            {"wait", setting::duration(o.wait_s, 'm', 1, 7200), "2", ""},
            {"socket_mode", setting::mode(o.mode), "0660", ""},
            {"strict", setting::yes_no(o.is_strict), "yes", ""},
            {"account", setting::text(o.account), "qmaild", "", "VERIFYUSER OTHERUSER", kOfProcess},
            {"place", setting::path(o.place), "$qmailhome/place", ""},
            {"table",
             setting::text(o.table,
                           [](std::string_view value) {
                             return std::string(value.empty() ? "is not set" : "");
                           }),
             "", ""},
            {"free", setting::text(o.free), "x", ""}};
  }

  Options read() {
    Options options;
    SettingSources sources;
    sources.given = given_;
    sources.environment = [this](std::string_view name) -> std::optional<std::string> {
      const auto it = environment_.find(name);
      if (it == environment_.end()) return std::nullopt;
      return it->second;
    };
    problems_.clear();
    Settings settings(rows(options));
    settings.read(sources, problems_);
    described_ = settings.describe();
    place_ = settings.place("free");
    // The only one without a default; what it is for is tested by itself.
    if (given_.empty())
      std::erase_if(problems_, [](const Problem& p) { return p.where == "control/table"; });
    return options;
  }
  void control(const std::string& name, std::string_view text) {
    std::ofstream(home_ + "/control/" + name) << text;
  }
  std::string problems() {
    std::string out;
    for (const Problem& problem : problems_) out += to_string(problem) + "\n";
    return out;
  }

  std::string home_;
  std::map<std::string, std::string, std::less<>> given_;
  std::map<std::string, std::string, std::less<>> environment_;
  std::vector<Problem> problems_;
  std::string described_;
  std::string place_;
};

TEST_F(SettingsTest, DefaultsStandInTheTable) {
  const Options options = read();
  EXPECT_EQ(options.listen, (std::vector<std::string>{"127.0.0.1:1"}));
  EXPECT_EQ(options.cache_us, 1000000);
  EXPECT_EQ(options.log, Log::all);
  EXPECT_EQ(options.wait_s, 120);
  EXPECT_EQ(options.mode, mode_t{0660});
  EXPECT_TRUE(options.is_strict);
  EXPECT_EQ(options.place, home_ + "/place");
  EXPECT_EQ(problems(), "");
}

TEST_F(SettingsTest, GivenValuesCount) {
  environment_.insert({{"CACHETTL", "60"},
                       {"LOG", "none"},
                       {"WAIT", "90s"},
                       {"FREE", ""},
                       {"SOCKET_MODE", "600"},
                       {"STRICT", "no"},
                       {"PLACE", "/p"}});
  const Options options = read();
  EXPECT_EQ(options.cache_us, 60000000);
  EXPECT_EQ(options.log, Log::none);
  EXPECT_EQ(options.wait_s, 90);
  EXPECT_EQ(options.mode, mode_t{0600});
  EXPECT_FALSE(options.is_strict);
  EXPECT_EQ(options.place, "/p");
  EXPECT_EQ(options.free, "");
  EXPECT_EQ(problems(), "");
}

TEST_F(SettingsTest, TheCommandLineIsBeforeTheEnvironmentAndThatBeforeControl) {
  control("free", "control\n");
  EXPECT_EQ(read().free, "control");
  EXPECT_EQ(place_, "control/free:1");
  environment_["free"] = "as it stands";
  EXPECT_EQ(read().free, "as it stands");
  environment_["FREE"] = "environment";
  EXPECT_EQ(read().free, "environment");
  EXPECT_EQ(place_, "environment FREE");
  SettingSources sources;
  ASSERT_TRUE(sources.give(" free = command line "));
  given_ = sources.given;
  EXPECT_EQ(read().free, "command line");
  EXPECT_EQ(place_, "-o free");
}

TEST_F(SettingsTest, AnAliasIsAName) {
  environment_["OTHERUSER"] = "b";
  EXPECT_EQ(read().account, "b");
  environment_["VERIFYUSER"] = "a";
  EXPECT_EQ(read().account, "a");
  environment_["ACCOUNT"] = "c";
  EXPECT_EQ(read().account, "c");
}

TEST_F(SettingsTest, WhatMakesTheProcessIsNotInControl) {
  control("listen", "b:2\n");
  control("account", "root\n");
  EXPECT_EQ(read().listen, (std::vector<std::string>{"127.0.0.1:1"}));
  EXPECT_EQ(read().account, "qmaild");
}

TEST_F(SettingsTest, AControlFileIsItsLinesWithoutComments) {
  control("free", "# why\n one,\ntwo\n");
  EXPECT_EQ(read().free, " one, two");
  control("free", "");
  EXPECT_EQ(read().free, "");
}

TEST_F(SettingsTest, AControlFileThatCannotBeReadIsAMistake) {
  std::filesystem::create_directory(home_ + "/control/free");
  EXPECT_EQ(read().free, "x");
  EXPECT_EQ(problems(), "control/free: cannot be read: not a regular file\n");
}

TEST_F(SettingsTest, WordsStandBetweenBlanks) {
  using Words = std::vector<std::string>;
  environment_["LISTEN"] = " a:1  b:2 ";
  EXPECT_EQ(read().listen, (Words{"a:1", "b:2"}));
  for (const char* nothing : {"", "  "}) {
    environment_["LISTEN"] = nothing;
    read();
    EXPECT_EQ(problems(), "environment LISTEN: holds nothing\n");
  }
  environment_["LISTEN"] = "bad a:1 bad";
  read();
  const std::string line = "environment LISTEN: \"bad\": it is bad\n";
  EXPECT_EQ(problems(), line + line);
}

TEST_F(SettingsTest, AMistakeIsReportedAndTheDefaultStays) {
  struct {
    const char* name;
    const char* value;
  } const rows[] = {{"CACHETTL", "0"},
                    {"CACHETTL", "61"},
                    {"CACHETTL", ""},
                    {"CACHETTL", "-1"},
                    {"CACHETTL", "1s"},
                    {"LOG", "some"},
                    {"LOG", ""},
                    {"LOG", "ALL"},
                    {"LOG", "all reject"},
                    {"WAIT", "soon"},
                    {"WAIT", "0"},
                    {"WAIT", "3h"},
                    {"SOCKET_MODE", "668"},
                    {"SOCKET_MODE", ""},
                    {"SOCKET_MODE", "1777"},
                    {"SOCKET_MODE", "07777"},
                    {"SOCKET_MODE", "-1"},
                    {"SOCKET_MODE", "rw"},
                    {"STRICT", "1"},
                    {"PLACE", "relative"},
                    {"PLACE", ""}};
  for (const auto& row : rows) {
    environment_ = {{"QMAILHOME", home_}, {row.name, row.value}};
    const Options options = read();
    ASSERT_EQ(problems_.size(), 1u) << row.name << "=" << row.value;
    EXPECT_EQ(problems_[0].where, "environment " + std::string(row.name));
    EXPECT_EQ(options.cache_us, 1000000);
    EXPECT_EQ(options.log, Log::all);
    EXPECT_EQ(options.wait_s, 120);
    EXPECT_EQ(options.mode, mode_t{0660});
    EXPECT_TRUE(options.is_strict);
    EXPECT_EQ(options.place, home_ + "/place");
  }
}

TEST_F(SettingsTest, AMistakeIsOneLineWhateverTheValue) {
  environment_["LOG"] = "x\n\x1b[31m";
  read();
  EXPECT_EQ(problems(), "environment LOG: \"x??[31m\" is none of: all reject none\n");
}

TEST_F(SettingsTest, EveryMistakeIsReportedWithItsPlace) {
  control("wait", "\n# minutes\nsoon\n");
  environment_["LOG"] = "x";
  given_ = {{"cachettl", "x"}, {"cachetll", "1"}};
  read();
  EXPECT_EQ(problems(),
            "-o cachettl: \"x\" is not a number from 1 to 60\n"
            "environment LOG: \"x\" is none of: all reject none\n"
            "control/wait:3: \"soon\" is not a time such as 20s, 5m, 2h or 7d, from 1 to 7200 "
            "seconds\n"
            "control/table: is not set\n"
            "-o cachetll: there is no such setting\n");
}

TEST(SettingSources, TakeNameAndValue) {
  SettingSources sources;
  EXPECT_TRUE(sources.give("virtual_minimum_uid = 300"));
  EXPECT_TRUE(sources.give("recipient_delimiter="));
  EXPECT_EQ(sources.given.at("virtual_minimum_uid"), "300");
  EXPECT_EQ(sources.given.at("recipient_delimiter"), "");
  EXPECT_FALSE(sources.give("novalue"));
  EXPECT_FALSE(sources.give("=x"));
}

TEST_F(SettingsTest, AreDescribedWithValueAndSource) {
  environment_["LOG"] = "none";
  read();
  EXPECT_NE(described_.find("  listen, LISTEN\n        where to listen\n"
                            "        \"127.0.0.1:1\", default\n"),
            std::string::npos)
      << described_;
  EXPECT_NE(described_.find("  log (all reject none), LOG\n        what to log\n"
                            "        \"none\", environment LOG\n"),
            std::string::npos)
      << described_;
  EXPECT_NE(described_.find("  account, ACCOUNT VERIFYUSER OTHERUSER\n"), std::string::npos);
}

TEST_F(SettingsTest, AnUndeclaredNameIsABug) {
  Options options;
  const Settings settings(rows(options));
  EXPECT_DEATH(static_cast<void>(settings.place("other")), "does not hold");
}

}  // namespace
}  // namespace qv::control
