// SPDX-License-Identifier: 0BSD
#include "deliver/settings.h"

#include <gtest/gtest.h>

#include "rcpt/config.h"
#include "tests/deliver/mailbox_dir.h"

namespace qv {
namespace {

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    dir_.make_dir("control");
    control("virtual_mailbox_base", "/mail\n");
    control("virtual_mailbox_maps", "# who\ncdb:/a,\ninline:{x=y}\n");
    control("virtual_uid_maps", "static:500\n");
    control("virtual_gid_maps", "static:500\n");
  }
  void control(const std::string& name, std::string_view text) {
    dir_.write("control/" + name, text);
  }
  DeliverSettings read() {
    problems_.clear();
    return read_deliver_settings(dir_.path(""), overrides_, problems_);
  }
  // The names of the settings that are complained about.
  std::string complaints() {
    static_cast<void>(read());
    std::string names;
    for (const Problem& problem : problems_) names += (names.empty() ? "" : " ") + problem.where;
    return names;
  }
  MailboxDir dir_;
  std::map<std::string, std::string, std::less<>> overrides_;
  std::vector<Problem> problems_;
};

TEST_F(SettingsTest, ReadsControlFilesAndDefaults) {
  const DeliverSettings settings = read();
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(settings.mailbox_base, "/mail");
  EXPECT_EQ(settings.mailbox_maps, "cdb:/a, inline:{x=y}");
  EXPECT_EQ(settings.minimum_uid, 100u);
  EXPECT_EQ(settings.mailbox_limit, 51200000u);
  EXPECT_EQ(settings.locks.attempts, 20u);
  EXPECT_EQ(settings.locks.delay, 1u);
  EXPECT_EQ(settings.locks.stale, 500u);
  EXPECT_TRUE(settings.locks.style.fcntl && settings.locks.style.dotlock);
  EXPECT_TRUE(settings.strict_ownership);
  // What RCPT accepts is what delivery finds.
  EXPECT_EQ(settings.delimiter, load_config("/nonexistent", problems_).delimiters.name);
  EXPECT_FALSE(settings.extension_folders);
}

TEST_F(SettingsTest, TheCommandLineOverrides) {
  control("virtual_minimum_uid", "200\n");
  EXPECT_EQ(read().minimum_uid, 200u);
  EXPECT_TRUE(parse_override("virtual_minimum_uid = 300", overrides_));
  EXPECT_TRUE(parse_override("recipient_delimiter=", overrides_));
  EXPECT_EQ(read().minimum_uid, 300u);
  EXPECT_EQ(read().delimiter, "");
  EXPECT_FALSE(parse_override("novalue", overrides_));
  EXPECT_FALSE(parse_override("=x", overrides_));
}

TEST_F(SettingsTest, ReportsEveryMistake) {
  control("virtual_mailbox_base", "mail\n");
  control("virtual_minimum_uid", "-5\n");
  control("virtual_mailbox_lock", "lockf\n");
  control("stale_lock_time", "never\n");
  control("strict_mailbox_ownership", "maybe\n");
  control("virtual_gid_maps", "\n");
  overrides_["virtual_mailbox_bass"] = "x";
  EXPECT_EQ(complaints(),
            "virtual_minimum_uid strict_mailbox_ownership virtual_mailbox_bass "
            "virtual_mailbox_lock stale_lock_time virtual_gid_maps virtual_mailbox_base");
}

TEST_F(SettingsTest, LimitsOfTheService) {
  EXPECT_EQ(read().time_limit, 120u);
  EXPECT_EQ(read().mailbox_concurrency, 8u);
  EXPECT_EQ(read().writer_limit, 64u);
  EXPECT_EQ(read().connection_limit, 10000u);
  control("virtual_time_limit", "2m\n");
  control("virtual_destination_concurrency_limit", "3\n");
  overrides_["virtual_workers"] = "4";  // of older configurations
  EXPECT_EQ(read().time_limit, 120u);
  EXPECT_EQ(read().mailbox_concurrency, 3u);
  EXPECT_TRUE(problems_.empty());
  control("virtual_time_limit", "soon\n");
  control("virtual_destination_concurrency_limit", "0\n");
  EXPECT_EQ(complaints(), "virtual_destination_concurrency_limit virtual_time_limit");
}

TEST_F(SettingsTest, NothingSetIsAMistake) {
  dir_.clear();
  EXPECT_EQ(complaints(),
            "virtual_mailbox_base virtual_mailbox_maps virtual_uid_maps virtual_gid_maps");
}

TEST_F(SettingsTest, ABaseThatClimbsIsAMistake) {
  for (const char* bad : {"/mail/../etc", "/mail/..", "/../x"}) {
    control("virtual_mailbox_base", bad);
    EXPECT_EQ(complaints(), "virtual_mailbox_base") << bad;
  }
}

TEST_F(SettingsTest, ReadsTimes) {
  std::uint64_t seconds = 0;
  EXPECT_TRUE(parse_seconds("20", 100, seconds));
  EXPECT_EQ(seconds, 20u);
  EXPECT_TRUE(parse_seconds("2m", 1000, seconds));
  EXPECT_EQ(seconds, 120u);
  EXPECT_TRUE(parse_seconds("1w", 604800, seconds));
  EXPECT_EQ(seconds, 604800u);
  for (const char* bad : {"", "s", "5x", "-1", "1.5s", "2m", "1h"}) {
    EXPECT_FALSE(parse_seconds(bad, 100, seconds)) << bad;
  }
}

}  // namespace
}  // namespace qv
