// SPDX-License-Identifier: 0BSD
// What every store promises, tried on each.
#include "cache/store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <vector>

namespace qv::cache {
namespace {

enum class Kind { memory, lmdb };

class Store : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qv-store-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    open(100);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open(std::size_t max_entries) {
    store_.reset();
    const bool in_memory = GetParam() == Kind::memory;
    auto opened = CacheStore::open(in_memory ? "" : directory_ + "/cache", max_entries);
    ASSERT_TRUE(opened.ok());
    store_ = std::move(opened).value();
  }
  void put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(store_->put(key, value).ok());
  }
  void flush() { ASSERT_TRUE(store_->flush().ok()); }
  std::string get(const std::string& key) {
    std::string value;
    const Result<maps::Answer> answer = store_->lookup(key, value);
    if (!answer.ok()) return "(error)";
    return answer.value() == maps::Answer::found ? value : "(absent)";
  }
  std::vector<std::string> keys(const std::string& after = "", std::size_t most = 1000) {
    std::vector<std::string> out;
    EXPECT_TRUE(store_
                    ->walk(after,
                           [&](std::string_view key, std::string_view) {
                             out.emplace_back(key);
                             return out.size() == most ? CacheStore::Walk::stop
                                                       : CacheStore::Walk::go_on;
                           })
                    .ok());
    return out;
  }

  std::string directory_;
  std::unique_ptr<CacheStore> store_;
};

TEST_P(Store, RemembersReplacesAndForgets) {
  EXPECT_EQ(get("a@x"), "(absent)");
  put("a@x", "0:0:5:one");
  EXPECT_EQ(get("a@x"), "0:0:5:one");
  EXPECT_EQ(store_->size(), 1u);
  put("a@x", "2:0:6:two");
  EXPECT_EQ(get("a@x"), "2:0:6:two");
  EXPECT_EQ(store_->size(), 1u);
  flush();
  EXPECT_EQ(get("a@x"), "2:0:6:two");
  EXPECT_EQ(store_->erase("a@x").value(), maps::Answer::found);
  EXPECT_EQ(store_->erase("a@x").value(), maps::Answer::absent);
  EXPECT_EQ(get("a@x"), "(absent)");
  flush();
  EXPECT_EQ(get("a@x"), "(absent)");
  EXPECT_EQ(store_->size(), 0u);
}

TEST_P(Store, WalksInOrderFromAnyPlace) {
  for (const char* key : {"c", "a", "b", "d"}) put(key, "0:0:5:");
  EXPECT_EQ(keys(), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(keys("b"), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(keys("bb"), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(keys("d"), (std::vector<std::string>{}));
  EXPECT_EQ(keys("a", 2), (std::vector<std::string>{"b", "c"}));
}

TEST_P(Store, HoldsTheLongestKey) {
  const std::string key(500, 'k');
  put(key, "0:0:5:");
  flush();
  EXPECT_EQ(get(key), "0:0:5:");
}

TEST_P(Store, ForgetsNegativeAndOldFirst) {
  open(40);
  for (int i = 0; i < 20; ++i)
    put("ok" + std::to_string(i), "0:0:" + std::to_string(100 + i) + ":");
  for (int i = 0; i < 20; ++i)
    put("no" + std::to_string(i), "2:0:" + std::to_string(500 + i) + ":");
  put("todo", "3:900:0:");
  put("extra", "0:0:1:");
  flush();
  EXPECT_LE(store_->size(), 40u);
  EXPECT_EQ(get("todo"), "(absent)");
  EXPECT_EQ(get("no0"), "(absent)");
  EXPECT_EQ(get("no19"), "2:0:519:");
  EXPECT_EQ(get("extra"), "0:0:1:");
  for (int i = 0; i < 20; ++i) EXPECT_NE(get("ok" + std::to_string(i)), "(absent)");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Store, testing::Values(Kind::memory, Kind::lmdb),
                         [](const auto& kind) {
                           return std::string(kind.param == Kind::memory ? "memory" : "lmdb");
                         });

TEST(Eviction, OrdersByKindThenAge) {
  EXPECT_LT(worth_of("nonsense"), worth_of("3:1:0:"));
  EXPECT_LT(worth_of("3:9:0:"), worth_of("1:0:1:"));
  EXPECT_LT(worth_of("1:0:9:"), worth_of("2:0:1:"));
  EXPECT_LT(worth_of("2:0:9:"), worth_of("0:0:1:"));
  EXPECT_LT(worth_of("0:0:1:"), worth_of("0:0:2:"));
  EXPECT_LT(worth_of("0:0:5:"), worth_of("0:9:5:"));
}

TEST(Eviction, MakesRoomForMoreThanOne) {
  EXPECT_EQ(eviction_count(100, 100), 0u);
  EXPECT_EQ(eviction_count(101, 100), 6u);
}

}  // namespace
}  // namespace qv::cache
