// SPDX-License-Identifier: 0BSD
// Runs a fuzz target once for each file named on the command line, and for each file of each
// directory named there: what `make check` does with the committed corpus.  libFuzzer brings its
// own main.
#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "core/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

int replay_file(const std::string& path) {
  qv::Result<qv::Fd> file = qv::open_read(path.c_str());
  struct stat st {};
  if (!file.ok() || fstat(file.value().get(), &st) != 0) return -1;
  std::string bytes(static_cast<std::size_t>(st.st_size), '\0');
  const auto got = qv::read_full(file.value().get(), bytes.data(), bytes.size());
  if (!got.ok()) return -1;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), got.value());
  return 1;
}

// Number of inputs run, or -1 where something could not be read.
int replay(const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return replay_file(path);
  int total = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const int n = replay_file(path + "/" + entry->d_name);
    if (n < 0) {
      total = -1;
      break;
    }
    total += n;
  }
  closedir(directory);
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  int total = 0;
  for (int i = 1; i < argc; ++i) {
    const int n = replay(argv[i]);
    if (n < 0) {
      fprintf(stderr, "%s: cannot read\n", argv[i]);
      return 1;
    }
    total += n;
  }
  printf("%d inputs\n", total);
  return total > 0 ? 0 : 1;
}
