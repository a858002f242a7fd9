// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "deliver/lookup.h"
#include "tests/deliver/mailbox_dir.h"

namespace qv::deliver {
namespace {

class TablesTest : public ::testing::Test {
 protected:
  TablesTest() {
    settings_.mailbox_base = "/mail";
    settings_.mailbox_maps = "inline:{bob@x.org=bob/}";
    settings_.uid_maps = "static:500";
    settings_.gid_maps = "static:600";
  }
  Result<maps::Answer> find(std::string_view recipient) {
    RecipientTables tables =
        open_tables(settings_, [this](std::string_view line) { notices_.emplace_back(line); });
    return find_mailbox(settings_, tables, recipient, box_, detail_);
  }
  bool is_config_error(std::string_view recipient) {
    const Result<maps::Answer> found = find(recipient);
    return !found.ok() && found.error().fault == Fault::config;
  }
  std::size_t problems() {
    std::vector<control::Problem> found;
    std::string home;
    check_tables(settings_,
                 control::Settings(deliver_settings(
                     settings_, {{"qmailhome", control::setting::path(home), "", ""}})),
                 found);
    return found.size();
  }
  MailboxDir dir_;
  DeliverSettings settings_;
  std::vector<std::string> notices_;
  Mailbox box_;
  std::string detail_;
};

TEST_F(TablesTest, AsksTheTablesThatAreNamed) {
  ASSERT_EQ(find("Bob@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.path, "/mail/bob/");
  EXPECT_EQ(box_.uid, 500u);
  EXPECT_EQ(box_.gid, 600u);
  EXPECT_EQ(problems(), 0u);
}

TEST_F(TablesTest, TheFirstTableThatKnowsAnswers) {
  settings_.mailbox_maps = "inline:{a@x=1/, b@x=2/}, inline:{b@x=3/, c@x=4/}";
  ASSERT_EQ(find("b@x").value(), maps::Answer::found);
  EXPECT_EQ(box_.path, "/mail/2/");
  ASSERT_EQ(find("c@x").value(), maps::Answer::found);
  EXPECT_EQ(box_.path, "/mail/4/");
}

TEST_F(TablesTest, AProxyIsPassedOver) {
  settings_.mailbox_maps = "proxy:proxy:inline:{bob@x.org=bob/}";
  EXPECT_EQ(find("bob@x.org").value(), maps::Answer::found);
}

TEST_F(TablesTest, WhatAPatternMatchedIsRefusedInEachTable) {
  dir_.write("re", "/^(.*)@x.org$/ $1\n");
  const std::string table = "regexp:" + dir_.path("re");
  for (std::string DeliverSettings::*setting :
       {&DeliverSettings::mailbox_maps, &DeliverSettings::uid_maps, &DeliverSettings::gid_maps}) {
    const std::string old = settings_.*setting;
    settings_.*setting = table;
    EXPECT_TRUE(is_config_error("500@x.org") || is_config_error("bob@x.org"));
    EXPECT_EQ(problems(), 1u);
    settings_.*setting = old;
  }
}

TEST_F(TablesTest, ATableThatIsAwayIsNotAnEmptyOne) {
  settings_.mailbox_maps = "texthash:" + dir_.path("none");
  EXPECT_FALSE(find("bob@x.org").ok());
  EXPECT_FALSE(notices_.empty());
  EXPECT_EQ(problems(), 1u);
  dir_.write("none", "# nobody\n");
  EXPECT_FALSE(find("bob@x.org").ok());
}

TEST_F(TablesTest, MistakesInTheListAreOnes) {
  settings_.uid_maps = "inline:{a=b";
  EXPECT_TRUE(is_config_error("bob@x.org"));
  settings_.gid_maps = "nosuchtype:x";
  EXPECT_EQ(problems(), 2u);
}

}  // namespace
}  // namespace qv::deliver
