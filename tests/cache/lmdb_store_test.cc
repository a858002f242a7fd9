// SPDX-License-Identifier: 0BSD
// The file behind the cache: it comes back after a kill, and damage never stops anything.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cache/store.h"

namespace qv::cache {
namespace {

namespace fs = std::filesystem;

class StoreFile : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qv-lmdb-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/cache.lmdb";
  }
  void TearDown() override {
    store_.reset();
    fs::remove_all(directory_);
  }

  void open() {
    store_.reset();
    auto opened = CacheStore::open(path_, 10000);
    ASSERT_TRUE(opened.ok());
    store_ = std::move(opened).value();
  }
  void fill(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(store_->put("user" + std::to_string(i) + "@x.example", "0:0:5:250 ok").ok());
    }
    ASSERT_TRUE(store_->flush().ok());
  }
  std::string get(const std::string& key) {
    std::string value;
    const Result<maps::Answer> answer = store_->lookup(key, value);
    if (!answer.ok()) return "(error)";
    return answer.value() == maps::Answer::found ? value : "(absent)";
  }
  void overwrite(std::uintmax_t from, std::size_t length, char with) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(from));
    file << std::string(length, with);
  }
  void expect_begun_afresh() {
    open();
    EXPECT_NE(store_->take_notice().find("damaged"), std::string::npos);
    EXPECT_EQ(store_->take_notice(), "");
    EXPECT_EQ(store_->size(), 0u);
    EXPECT_TRUE(fs::exists(path_ + ".damaged"));
    EXPECT_TRUE(store_->put("new@x", "0:0:5:").ok());
    EXPECT_TRUE(store_->flush().ok());
    EXPECT_EQ(get("new@x"), "0:0:5:");
  }

  std::string directory_;
  std::string path_;
  std::unique_ptr<CacheStore> store_;
};

TEST_F(StoreFile, ComesBackWithWhatWasFlushed) {
  open();
  fill(100);
  EXPECT_TRUE(store_->put("late@x", "0:0:5:").ok());
  open();
  EXPECT_EQ(store_->take_notice(), "");
  EXPECT_EQ(store_->size(), 100u);
  EXPECT_EQ(get("user99@x.example"), "0:0:5:250 ok");
  EXPECT_EQ(get("late@x"), "(absent)");
}

TEST_F(StoreFile, SurvivesAKillInTheMiddleOfWriting) {
  for (int round = 0; round < 5; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t writer = fork();
    if (writer == 0) {
      auto store = CacheStore::open(path_, 10000);
      for (unsigned i = 0; store.ok(); ++i) {
        (void)store.value()->put("k" + std::to_string(i % 5000),
                                 "0:0:7:" + std::string(i % 300, 'x'));
        if (i % 50 == 0 && store.value()->flush().ok() && write(ends[1], "f", 1) != 1) break;
      }
      _exit(1);
    }
    char flushed = 0;
    for (int i = 0; i < 5 + round; ++i) ASSERT_EQ(read(ends[0], &flushed, 1), 1);
    kill(writer, SIGKILL);
    waitpid(writer, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
    open();
    EXPECT_EQ(store_->take_notice(), "");
    EXPECT_GE(store_->size(), 200u);
    EXPECT_EQ(get("k0").substr(0, 6), "0:0:7:");
    store_.reset();
  }
}

TEST_F(StoreFile, NotALmdbFileIsSetAside) {
  std::ofstream(path_) << "this is no database\n" << std::string(20000, 'x');
  expect_begun_afresh();
}

TEST_F(StoreFile, ATruncatedOneIsSetAside) {
  open();
  fill(3000);
  store_.reset();
  fs::resize_file(path_, fs::file_size(path_) / 2);
  expect_begun_afresh();
}

TEST_F(StoreFile, OneWithBothHeadersOverwrittenIsSetAside) {
  open();
  fill(3000);
  store_.reset();
  overwrite(0, 8192, '\xff');
  expect_begun_afresh();
}

TEST_F(StoreFile, OneWithPagesOverwrittenIsSetAside) {
  open();
  fill(3000);
  store_.reset();
  overwrite(8192, fs::file_size(path_) - 8192, '\xff');
  expect_begun_afresh();
}

TEST_F(StoreFile, OneThatWantsMoreMemoryThanThereIsIsSetAside) {
  open();
  fill(10);
  store_.reset();
  // The size of the map, in both headers.
  for (const std::uintmax_t page : {0u, 4096u}) overwrite(page + 32, 7, '\x7f');
  expect_begun_afresh();
}

TEST_F(StoreFile, AnEmptyFileIsANewOne) {
  std::ofstream(path_).close();
  open();
  EXPECT_EQ(store_->take_notice(), "");
  EXPECT_EQ(store_->size(), 0u);
  fill(1);
  EXPECT_EQ(get("user0@x.example"), "0:0:5:250 ok");
}

TEST_F(StoreFile, ADirectoryThatIsNotThereIsAnError) {
  const auto opened = CacheStore::open(directory_ + "/none/cache.lmdb", 10);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().errnum, ENOENT);
}

TEST_F(StoreFile, WhatAnotherProcessErasesIsGoneHereToo) {
  open();
  fill(10);
  const pid_t tool = fork();
  if (tool == 0) {
    auto store = CacheStore::open(path_, 10000);
    const bool erased = store.ok() && store.value()->erase("user3@x.example").ok();
    _exit(erased && store.value()->flush().ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(tool, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(get("user3@x.example"), "(absent)");
  EXPECT_TRUE(store_->flush().ok());
  EXPECT_EQ(store_->size(), 9u);
}

TEST_F(StoreFile, TakesOverAFileThatAnotherProcessHasGrown) {
  open();
  fill(10);
  const pid_t tool = fork();
  if (tool == 0) {
    auto store = CacheStore::open(path_, 10000000);
    bool good = store.ok();
    // More than the map of 16 MiB that both have begun with.
    for (int i = 0; good && i < 5000; ++i) {
      good = store.value()->put("big" + std::to_string(i), std::string(5000, 'x')).ok();
    }
    _exit(good && store.value()->flush().ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(tool, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(get("big4999"), std::string(5000, 'x'));
  EXPECT_EQ(get("user9@x.example"), "0:0:5:250 ok");
  EXPECT_TRUE(store_->put("late@x", "0:0:5:").ok());
  EXPECT_TRUE(store_->flush().ok());
  EXPECT_EQ(store_->size(), 5011u);
  EXPECT_EQ(store_->take_notice(), "");
}

TEST_F(StoreFile, OneThatMayNotBeReadIsNoDamagedOne) {
  open();
  fill(10);
  store_.reset();
  fs::permissions(directory_, fs::perms(0755));
  ASSERT_EQ(chmod(path_.c_str(), 0), 0);
  const pid_t other = fork();
  if (other == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(9);
    const auto opened = CacheStore::open(path_, 10);
    _exit(opened.ok() ? 8 : static_cast<int>(opened.error().fault));
  }
  int status = 0;
  waitpid(other, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(Fault::config));
  EXPECT_FALSE(fs::exists(path_ + ".damaged"));
}

}  // namespace
}  // namespace qv::cache
