// SPDX-License-Identifier: 0BSD
// tests/agent/home_tree.h - a temporary directory with a user's home in it, and files to look at.
#ifndef QV_TESTS_AGENT_HOME_TREE_H_
#define QV_TESTS_AGENT_HOME_TREE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/file.h"

namespace qv::agent {

inline bool is_root() { return geteuid() == 0; }

// Who owns the home: a uid without an entry anywhere where we may become it, else ourselves.
inline constexpr uid_t kOwner = 12345;
inline constexpr gid_t kGroup = 12346;
inline constexpr uid_t kStranger = 23456;
inline uid_t owner_uid() { return is_root() ? kOwner : geteuid(); }
inline gid_t owner_gid() { return is_root() ? kGroup : getegid(); }

class HomeTree {
 public:
  HomeTree() {
    char name[] = "/tmp/qv-helper-XXXXXX";
    root_ = mkdtemp(name);
    chmod(root_.c_str(), 0755);
    make_directory("home", 0755);
    give("home", owner_uid());
  }
  ~HomeTree() {
    const std::string command = "chmod -R u+rwx " + root_ + "; rm -rf " + root_;
    if (system(command.c_str()) != 0) ADD_FAILURE() << "cannot remove " << root_;
  }
  HomeTree(const HomeTree&) = delete;
  HomeTree& operator=(const HomeTree&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }
  [[nodiscard]] std::string home() const { return path("home"); }

  void make_directory(const std::string& name, mode_t mode) {
    EXPECT_EQ(mkdir(path(name).c_str(), 0700), 0) << name;
    set_mode(name, mode);
  }
  void write(const std::string& name, std::string_view text, mode_t mode = 0644) {
    Fd file(open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    ASSERT_TRUE(file.valid()) << name;
    ASSERT_TRUE(write_all(file.get(), text).ok());
    set_mode(name, mode);
  }
  void link(const std::string& name, const std::string& target) {
    ASSERT_EQ(symlink(target.c_str(), path(name).c_str()), 0) << name;
  }
  void set_mode(const std::string& name, mode_t mode) {
    ASSERT_EQ(chmod(path(name).c_str(), mode), 0) << name;
  }
  // Only root can give files away.
  void give(const std::string& name, uid_t uid) {
    if (is_root()) {
      ASSERT_EQ(chown(path(name).c_str(), uid, kGroup), 0) << name;
    }
  }
  // As if nothing had happened there for an hour: ctime cannot be set, only mtime.
  void age_modification(const std::string& name) {
    timespec times[2]{{0, UTIME_OMIT}, {time(nullptr) - 3600, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
  }

 private:
  std::string root_;
};

#define QV_NEEDS_ROOT() \
  if (!is_root()) GTEST_SKIP() << "needs root: it becomes other users"

}  // namespace qv::agent

#endif  // QV_TESTS_AGENT_HOME_TREE_H_
