// SPDX-License-Identifier: 0BSD
// What an LMDB file may do to whoever opens it: nothing but give an Error.
#include "maps/lmdb_env.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <random>

#include "maps/open.h"
#include "tests/maps/scratch.h"

namespace qv::maps {
namespace {

constexpr int kEntries = 400;

std::string key_of(int i) { return "user" + std::to_string(i) + "@example.org"; }
// Some have pages of their own.
std::string value_of(int i) {
  return std::string(i % 50 == 0 ? 9000 : 40, static_cast<char>('a' + i % 26));
}

class LmdbEnvTest : public testing::Test {
 protected:
  void SetUp() override {
    fill(0, kEntries);
    // Pages that are free again.
    change([](MDB_txn* txn, MDB_dbi dbi) {
      MDB_val key = to_lmdb("user0@example.org");
      return mdb_del(txn, dbi, &key, nullptr);
    });
  }

  std::string path() const { return scratch_.path("t.lmdb"); }

  void change(const LmdbEnv::Work& work) {
    std::string detail;
    Result<LmdbEnv> env = LmdbEnv::open(path(), LmdbMode::make, detail);
    ASSERT_TRUE(env.ok()) << detail;
    const Result<int> code = env.value().change(work);
    ASSERT_TRUE(code.ok() && code.value() == 0);
  }
  void fill(int from, int to) {
    change([&](MDB_txn* txn, MDB_dbi dbi) {
      for (int i = from; i < to; ++i) {
        const std::string key = key_of(i);
        const std::string value = value_of(i);
        MDB_val k = to_lmdb(key);
        MDB_val v = to_lmdb(value);
        if (const int code = mdb_put(txn, dbi, &k, &v, 0); code != 0) return code;
      }
      return 0;
    });
  }

  // Reads and writes as much as it is let.
  void use() {
    std::string detail;
    Result<LmdbEnv> env = LmdbEnv::open(path(), LmdbMode::write, detail);
    if (!env.ok()) {
      EXPECT_NE(env.error().fault, Fault::denied);
      EXPECT_NE(detail.find(path()), std::string::npos) << detail;
      return;
    }
    volatile char touched = 0;
    static_cast<void>(env.value().read([&](MDB_txn* txn, MDB_dbi dbi) {
      for (int i = 0; i < kEntries; ++i) {
        const std::string wanted = key_of(i);
        MDB_val key = to_lmdb(wanted);
        MDB_val value{};
        if (mdb_get(txn, dbi, &key, &value) != 0) continue;
        for (const char c : from_lmdb(value)) touched = c;
      }
      return 0;
    }));
    for (int round = 0; round < 3; ++round) {
      static_cast<void>(env.value().change([&](MDB_txn* txn, MDB_dbi dbi) {
        const std::string fresh = key_of(kEntries + round);
        const std::string text(20000, 'n');
        MDB_val key = to_lmdb(fresh);
        MDB_val value = to_lmdb(text);
        return mdb_put(txn, dbi, &key, &value, 0);
      }));
    }
  }

  // Of a child that does `use()`: 0, or how it died.
  int use_in_child() {
    const pid_t child = fork();
    if (child == 0) {
      for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE}) signal(number, SIG_DFL);
      alarm(30);
      use();
      _exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  }

  Scratch scratch_;
};

TEST_F(LmdbEnvTest, DamageInAnyPageKillsNobody) {
  const std::string whole = scratch_.read("t.lmdb");
  std::mt19937 random(12);
  for (int round = 0; round < 250; ++round) {
    std::string text = whole;
    const std::size_t page = random() % (text.size() / 4096) * 4096;
    // Headers, and places and heads of nodes, more often than what keys and values say.
    const std::size_t at = page + random() % (round % 2 == 0 ? 64 : 4096);
    const std::size_t length = 1 + random() % 4;
    for (std::size_t i = at; i < std::min(at + length, text.size()); ++i) {
      text[i] = static_cast<char>(random());
    }
    scratch_.replace("t.lmdb", text);
    const int status = use_in_child();
    ASSERT_EQ(status, 0) << "round " << round << ", byte " << at << ", " << length << " bytes";
  }
}

TEST_F(LmdbEnvTest, TruncationAnywhereKillsNobody) {
  const std::string whole = scratch_.read("t.lmdb");
  for (std::size_t size = 0; size < whole.size(); size += 1000) {
    scratch_.replace("t.lmdb", whole.substr(0, size));
    ASSERT_EQ(use_in_child(), 0) << size;
  }
}

TEST_F(LmdbEnvTest, IsCheckedByProcessesThatIgnoreTheirChildren) {
  signal(SIGCHLD, SIG_IGN);
  std::string detail;
  EXPECT_TRUE(LmdbEnv::open(path(), LmdbMode::read, detail).ok()) << detail;
  std::string text = scratch_.read("t.lmdb");
  for (std::size_t page = 2 * 4096; page < text.size(); page += 4096) text[page + 10] = '\x7f';
  scratch_.write("t.lmdb", text);
  const Result<LmdbEnv> env = LmdbEnv::open(path(), LmdbMode::read, detail);
  signal(SIGCHLD, SIG_DFL);
  ASSERT_FALSE(env.ok());
  EXPECT_TRUE(means_damage(env.error())) << detail;
}

TEST_F(LmdbEnvTest, ReadsOnInAFileThatAnotherHasGrown) {
  std::string detail;
  Result<std::unique_ptr<Map>> map = open_map("lmdb:" + scratch_.path("t"), {}, detail);
  ASSERT_TRUE(map.ok()) << detail;
  std::string value;
  ASSERT_TRUE(map.value()->lookup(key_of(1), value).ok());
  const std::string large(std::size_t{40} << 20, 'x');  // more than the first map holds
  change([&](MDB_txn* txn, MDB_dbi dbi) {
    MDB_val k = to_lmdb("large");
    MDB_val v = to_lmdb(large);
    return mdb_put(txn, dbi, &k, &v, 0);
  });
  EXPECT_EQ(map.value()->lookup("large", value).value(), Answer::found);
  EXPECT_EQ(value.size(), large.size());
  EXPECT_EQ(map.value()->lookup(key_of(1), value).value(), Answer::found);
}

TEST_F(LmdbEnvTest, OneThatMayNotBeReadIsAMistakeOfTheConfiguration) {
  ASSERT_EQ(chmod(scratch_.directory().c_str(), 0755), 0);
  ASSERT_EQ(chmod(path().c_str(), 0), 0);
  const pid_t other = fork();
  if (other == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(9);
    std::string detail;
    const Result<LmdbEnv> env = LmdbEnv::open(path(), LmdbMode::read, detail);
    _exit(env.ok() ? 8 : static_cast<int>(env.error().fault));
  }
  int status = 0;
  waitpid(other, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(Fault::config));
}

}  // namespace
}  // namespace qv::maps
