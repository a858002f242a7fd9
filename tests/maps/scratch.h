// SPDX-License-Identifier: 0BSD
// tests/maps/scratch.h - a directory of a test's own, and files in it.
#ifndef QV_TESTS_MAPS_SCRATCH_H_
#define QV_TESTS_MAPS_SCRATCH_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/file.h"

namespace qv::maps {

class Scratch {
 public:
  Scratch() {
    // Short, because names of Unix sockets are.
    char name[] = "/tmp/qvXXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string path(std::string_view name) const {
    return directory_ + "/" + std::string(name);
  }

  // Writes the file anew, in place; returns its path.
  std::string write(std::string_view name, std::string_view text, mode_t mode = 0644) const {
    const Fd fd(::open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    EXPECT_TRUE(fd.valid() && write_all(fd.get(), text).ok()) << path(name);
    return path(name);
  }
  // Replaces the file by another one of the same name.
  std::string replace(std::string_view name, std::string_view text) const {
    write(std::string(name) + ".new", text);
    EXPECT_EQ(rename(path(std::string(name) + ".new").c_str(), path(name).c_str()), 0);
    return path(name);
  }
  [[nodiscard]] std::string read(std::string_view name) const {
    const Fd fd(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st {};
    EXPECT_TRUE(fd.valid() && fstat(fd.get(), &st) == 0) << path(name);
    std::string text(static_cast<std::size_t>(st.st_size), '\0');
    EXPECT_TRUE(read_full(fd.get(), text.data(), text.size()).ok());
    return text;
  }

 private:
  std::string directory_;
};

}  // namespace qv::maps

#endif  // QV_TESTS_MAPS_SCRATCH_H_
