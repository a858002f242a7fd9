// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include <map>

#include "proxymap/process.h"

namespace qv::proxymap {
namespace {

using Environment = std::map<std::string, std::string, std::less<>>;

Options read(const Environment& environment, std::vector<control::Problem>& problems,
             bool writes = false) {
  Options options;
  control::SettingSources sources;
  sources.environment = [&environment](std::string_view name) -> std::optional<std::string> {
    const auto at = environment.find(name);
    if (at == environment.end()) return std::nullopt;
    return at->second;
  };
  control::Settings(proxymap_settings(options, writes)).read(sources, problems);
  return options;
}

TEST(Options, HaveDefaults) {
  std::vector<control::Problem> problems;
  const Options options = read({{"QMAILHOME", "/q"}}, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(options.listen, (std::vector<std::string>{"unix:/q/proxymap/proxymap"}));
  EXPECT_EQ(options.socket_mode, mode_t{0666});
  EXPECT_EQ(options.max_idle_us, 100000000);
  EXPECT_EQ(options.pool.workers, 16u);
  EXPECT_GT(options.server.stream.max_input, options.max_message);
}

TEST(Options, TheWriteServiceListensElsewhereAndWritesOneByOne) {
  std::vector<control::Problem> problems;
  const Options options = read({{"QMAILHOME", "/q"}}, problems, true);
  EXPECT_EQ(options.listen, (std::vector<std::string>{"unix:/q/proxymap/proxywrite"}));
  EXPECT_EQ(options.pool.per_lane, 1u);
}

TEST(Options, AreRead) {
  std::vector<control::Problem> problems;
  const Options options = read({{"LISTEN", "unix:/a  inet:127.0.0.1:5"},
                                {"SOCKETMODE", "0660"},
                                {"ipc_timeout", "7"},
                                {"daemon_timeout", "8"},
                                {"max_use", "0"}},
                               problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(options.listen.size(), 2u);
  EXPECT_EQ(options.socket_mode, mode_t{0660});
  EXPECT_EQ(options.server.stream.message_us, 7000000);
  EXPECT_EQ(options.pool.time_limit_us, 8000000);
  EXPECT_EQ(options.pool.max_use, 0u);
}

TEST(Options, EveryMistakeIsSaid) {
  std::vector<control::Problem> problems;
  static_cast<void>(
      read({{"LISTEN", "/a unix:b"}, {"SOCKETMODE", "999"}, {"QMAILHOME", "q"}, {"max_idle", "0"}},
           problems));
  EXPECT_EQ(problems.size(), 5u);
}

}  // namespace
}  // namespace qv::proxymap
