// SPDX-License-Identifier: 0BSD
#include "deliver/settings.h"

#include <gtest/gtest.h>

#include "rcpt/config.h"
#include "tests/deliver/mailbox_dir.h"

namespace qv::deliver {
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
    DeliverSettings settings;
    std::string home;
    sources_.given["qmailhome"] = dir_.path("");
    sources_.environment = [](std::string_view) { return std::nullopt; };
    control::Settings(
        deliver_settings(settings, {{"qmailhome", control::setting::path(home), "", ""}}))
        .read(sources_, problems_);
    return settings;
  }
  // The names of the settings that are complained about.
  std::string complaints() {
    static_cast<void>(read());
    std::string names;
    for (const control::Problem& problem : problems_)
      names += (names.empty() ? "" : " ") + problem.where;
    return names;
  }
  MailboxDir dir_;
  control::SettingSources sources_;
  std::vector<control::Problem> problems_;
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
  EXPECT_EQ(settings.delimiter, rcpt::load_config("/nonexistent", problems_).delimiters.name);
  EXPECT_FALSE(settings.extension_folders);
}

TEST_F(SettingsTest, TheCommandLineOverrides) {
  control("virtual_minimum_uid", "200\n");
  EXPECT_EQ(read().minimum_uid, 200u);
  EXPECT_TRUE(sources_.give("virtual_minimum_uid = 300"));
  EXPECT_TRUE(sources_.give("recipient_delimiter="));
  EXPECT_EQ(read().minimum_uid, 300u);
  EXPECT_EQ(read().delimiter, "");
}

TEST_F(SettingsTest, ReportsEveryMistake) {
  control("virtual_mailbox_base", "mail\n");
  control("virtual_minimum_uid", "-5\n");
  control("virtual_mailbox_lock", "lockf\n");
  control("stale_lock_time", "never\n");
  control("strict_mailbox_ownership", "maybe\n");
  control("virtual_gid_maps", "\n");
  sources_.given["virtual_mailbox_bass"] = "x";
  EXPECT_EQ(complaints(),
            "control/virtual_mailbox_base:1 control/virtual_gid_maps control/virtual_minimum_uid:1 "
            "control/virtual_mailbox_lock:1 control/stale_lock_time:1 "
            "control/strict_mailbox_ownership:1 -o virtual_mailbox_bass");
}

TEST_F(SettingsTest, NothingSetIsAMistake) {
  dir_.clear();
  EXPECT_EQ(complaints(),
            "control/virtual_mailbox_base control/virtual_mailbox_maps control/virtual_uid_maps "
            "control/virtual_gid_maps");
}

TEST_F(SettingsTest, ABaseThatClimbsIsAMistake) {
  for (const char* bad : {"/mail/../etc", "/mail/..", "/../x"}) {
    control("virtual_mailbox_base", bad);
    EXPECT_EQ(complaints(), "control/virtual_mailbox_base:1") << bad;
  }
}

}  // namespace
}  // namespace qv::deliver
