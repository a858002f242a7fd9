// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "lmtp/process.h"

namespace qv::lmtp {
namespace {

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    sources_.environment = [](std::string_view) { return std::nullopt; };
    sources_.given = {{"qmailhome", "/nonexistent"},
                      {"virtual_mailbox_base", "/mail"},
                      {"virtual_mailbox_maps", "t:x"},
                      {"virtual_uid_maps", "t:x"},
                      {"virtual_gid_maps", "t:x"}};
  }
  deliver::DeliverSettings read() {
    problems_.clear();
    Options options;
    control::Settings(lmtp_settings(options)).read(sources_, problems_);
    return options.deliver;
  }

  control::SettingSources sources_;
  std::vector<control::Problem> problems_;
};

TEST_F(SettingsTest, LimitsOfTheService) {
  EXPECT_EQ(read().time_limit, 120u);
  EXPECT_EQ(read().mailbox_concurrency, 8u);
  EXPECT_EQ(read().writer_limit, 64u);
  EXPECT_EQ(read().connection_limit, 10000u);
  sources_.given["virtual_time_limit"] = "2m";
  sources_.given["virtual_destination_concurrency_limit"] = "3";
  sources_.given["virtual_workers"] = "4";  // of older configurations
  EXPECT_EQ(read().time_limit, 120u);
  EXPECT_EQ(read().mailbox_concurrency, 3u);
  EXPECT_TRUE(problems_.empty());
  sources_.given["virtual_time_limit"] = "soon";
  sources_.given["virtual_destination_concurrency_limit"] = "0";
  static_cast<void>(read());
  ASSERT_EQ(problems_.size(), 2u);
  EXPECT_EQ(problems_[0].where, "-o virtual_destination_concurrency_limit");
  EXPECT_EQ(problems_[1].where, "-o virtual_time_limit");
}

}  // namespace
}  // namespace qv::lmtp
