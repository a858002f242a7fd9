// SPDX-License-Identifier: 0BSD
// tests/process/processes.h - what /proc says about the processes that a test made.
#ifndef QV_TESTS_PROCESS_PROCESSES_H_
#define QV_TESTS_PROCESS_PROCESSES_H_

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace qv::process {

// The value of a field of /proc/PID/status without leading blanks; empty where there is none.
inline std::string status_of(pid_t pid, const std::string& field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) != 0) continue;
    const std::size_t at = line.find_first_not_of(" \t", field.size() + 1);
    return at == std::string::npos ? "" : line.substr(at);
  }
  return {};
}

// True where the process is gone, or dead and waiting for its parent.
inline bool is_dead(pid_t pid) {
  const std::string state = status_of(pid, "State");
  return state.empty() || state[0] == 'Z' || state[0] == 'X';
}

// What its descriptors lead to, "3 socket:[17]" for instance.
inline std::vector<std::string> descriptors_of(pid_t pid) {
  std::vector<std::string> found;
  const std::string path = "/proc/" + std::to_string(pid) + "/fd";
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return found;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    char target[256] = {};
    const std::string name = path + "/" + entry->d_name;
    if (readlink(name.c_str(), target, sizeof target - 1) < 0) continue;
    found.push_back(std::string(entry->d_name) + " " + target);
  }
  closedir(directory);
  return found;
}

// Waits until `condition` holds, at most five seconds.
inline bool soon(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    usleep(1000);
  }
  return false;
}

}  // namespace qv::process

#endif  // QV_TESTS_PROCESS_PROCESSES_H_
