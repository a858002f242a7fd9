// SPDX-License-Identifier: 0BSD
#include "probe/options.h"

#include <gtest/gtest.h>

namespace qv::probe {
namespace {

class Options : public testing::Test {
 protected:
  ProbeOptions read(std::map<std::string, std::string> values) {
    problems_.clear();
    values.emplace("QMAILHOME", "/q");
    ProbeOptions options;
    control::SettingSources sources;
    sources.environment = [&](std::string_view name) -> std::optional<std::string> {
      const auto value = values.find(std::string(name));
      if (value == values.end()) return std::nullopt;
      return value->second;
    };
    control::Settings(probe_settings(options)).read(sources, problems_);
    return options;
  }
  void expect_problem(const std::string& name, const std::string& value) {
    read({{name, value}});
    ASSERT_EQ(problems_.size(), 1u) << name << "=" << value;
    EXPECT_EQ(problems_[0].where, "environment " + name);
  }

  std::vector<control::Problem> problems_;
};

TEST_F(Options, AreAsPostfixHasThemByDefault) {
  const ProbeOptions options = read({});
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(options.listen, (std::vector<std::string>{"unix:/q/probe/verify"}));
  EXPECT_EQ(options.lmdb_path, "/q/probe/cache.lmdb");
  EXPECT_EQ(options.redis, "");
  EXPECT_EQ(options.sender, "");
  EXPECT_EQ(options.cleanup_interval_s, 12 * cache::kHour_s);
  const cache::CacheTimes& times = options.service.times;
  EXPECT_EQ(times.positive_expire, 31 * cache::kDay_s);
  EXPECT_EQ(times.positive_refresh, 7 * cache::kDay_s);
  EXPECT_EQ(times.negative_expire, 3 * cache::kDay_s);
  EXPECT_EQ(times.negative_refresh, 3 * cache::kHour_s);
  EXPECT_TRUE(times.negative_cache);
}

TEST_F(Options, AreRead) {
  const ProbeOptions options = read({{"address_verify_positive_expire_time", "10"},
                                     {"address_verify_negative_refresh_time", "2"},
                                     {"address_verify_negative_cache", "no"},
                                     {"address_verify_sender", "probe@mx.example"},
                                     {"address_verify_map", "lmdb:/x/y redis:127.0.0.1:6379"},
                                     {"probe_accept_all", "undecided"},
                                     {"probe_own_ports", "25 587"},
                                     {"probe_step_timeout", "1m"}});
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(options.service.times.positive_expire, 10 * cache::kDay_s);
  EXPECT_EQ(options.service.times.negative_refresh, 2 * cache::kHour_s);
  EXPECT_FALSE(options.service.times.negative_cache);
  EXPECT_EQ(options.service.accept_all, cache::RecipientStatus::defer);
  EXPECT_EQ(options.sender, "probe@mx.example");
  EXPECT_EQ(options.lmdb_path, "/x/y.lmdb");
  EXPECT_EQ(options.redis, "127.0.0.1:6379");
  EXPECT_EQ(options.own_ports, (std::set<std::uint16_t>{25, 587}));
  EXPECT_EQ(options.limits.step_us, 60 * kSecond_us);
  EXPECT_EQ(read({{"address_verify_map", "memory:"}}).lmdb_path, "");
  EXPECT_EQ(read({{"address_verify_map", "lmdb:/x/y.lmdb"}}).lmdb_path, "/x/y.lmdb");
  EXPECT_EQ(read({{"probe_accept_all", "ignore"}}).service.domain_check,
            ProbeDriver::DomainCheck::no);
}

TEST_F(Options, EveryMistakeIsNamed) {
  expect_problem("address_verify_positive_expire_time", "soon");
  expect_problem("address_verify_positive_expire_time", "0");
  expect_problem("address_verify_map", "");
  expect_problem("address_verify_map", " ");
  expect_problem("address_verify_map", "btree:/x");
  expect_problem("address_verify_map", "lmdb:relative");
  expect_problem("address_verify_map", "redis:");
  expect_problem("address_verify_map", "redis:some.name:6379");
  expect_problem("address_verify_sender", "not an address");
  expect_problem("address_verify_sender", "a@b>\r\nRCPT");
  expect_problem("probe_own_ports", "25 smtp");
  expect_problem("LISTEN", "inet:127.0.0.1:2525");
  expect_problem("LISTEN", "unix:relative");
  expect_problem("SOCKETMODE", "0888");
  expect_problem("probe_accept_all", "perhaps");
  expect_problem("probe_pending_limit", "0");
  expect_problem("probe_timeout", "1h");
}

}  // namespace
}  // namespace qv::probe
