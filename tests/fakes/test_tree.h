// SPDX-License-Identifier: 0BSD
// tests/fakes/test_tree.h - a temporary directory of files, removed when the test ends.
#ifndef QV_TESTS_FAKES_TEST_TREE_H_
#define QV_TESTS_FAKES_TEST_TREE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/fd.h"
#include "core/file.h"
#include "maps/cdb_writer.h"

namespace qv {

class TestTree {
 public:
  TestTree() {
    const char* base = getenv("TMPDIR");
    root_ = std::string(base == nullptr ? "/tmp" : base) + "/qv-test-XXXXXX";
    EXPECT_NE(mkdtemp(root_.data()), nullptr);
  }
  ~TestTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  TestTree(const TestTree&) = delete;
  TestTree& operator=(const TestTree&) = delete;

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }

  // Makes the directories on the way, and replaces what is there, in place.
  void write(const std::string& name, std::string_view text) const {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path(), error);
    const Fd file(open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    EXPECT_TRUE(file.valid()) << name;
    EXPECT_TRUE(write_all(file.get(), text).ok());
  }
  // The same under another name, then renamed.
  void replace(const std::string& name, std::string_view text) const {
    write(name + ".new", text);
    EXPECT_EQ(rename(path(name + ".new").c_str(), path(name).c_str()), 0);
  }
  void remove(const std::string& name) const { EXPECT_EQ(unlink(path(name).c_str()), 0); }

  using Records = std::vector<std::pair<std::string, std::string>>;

  // Builds a cdb, and puts it in place by rename.
  void write_cdb(const std::string& name, const Records& records) const {
    write(name + ".new", "");
    const Fd file(open(path(name + ".new").c_str(), O_RDWR | O_TRUNC | O_CLOEXEC));
    maps::CdbWriter writer(file.get());
    for (const auto& [key, value] : records) ASSERT_TRUE(writer.add(key, value).ok());
    ASSERT_TRUE(writer.finish().ok());
    EXPECT_EQ(rename(path(name + ".new").c_str(), path(name).c_str()), 0);
  }

 private:
  std::string root_;
};

// A record of users/cdb: fields joined by NUL.
inline std::string user_record(const std::vector<std::string>& fields) {
  std::string record;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) record += '\0';
    record += fields[i];
  }
  return record;
}

// The key of an exact assignment.
inline std::string exact_key(std::string_view local) {
  return "!" + std::string(local) + std::string(1, '\0');
}

}  // namespace qv

#endif  // QV_TESTS_FAKES_TEST_TREE_H_
