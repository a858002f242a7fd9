// SPDX-License-Identifier: 0BSD
// tests/fakes/golden.h - the recorded exchanges of tests/data/proxymap, read for tests.
#ifndef QV_TESTS_FAKES_GOLDEN_H_
#define QV_TESTS_FAKES_GOLDEN_H_

#include <string>
#include <utility>
#include <vector>

namespace qv {

using GoldenAttributes = std::vector<std::pair<std::string, std::string>>;

struct GoldenMessage {
  GoldenAttributes attributes;
  std::string bytes;
};

struct GoldenExchange {
  GoldenMessage request;  // empty for the greeting
  GoldenMessage reply;
};

// The lines of tests/data/proxymap/<name>, in order.  Ends the test program where there is no such
// file or it is not understood: a golden test without its data must not pass.
[[nodiscard]] std::vector<GoldenExchange> read_golden(const std::string& name);

// The names of all recorded files.
[[nodiscard]] std::vector<std::string> golden_names();

}  // namespace qv

#endif  // QV_TESTS_FAKES_GOLDEN_H_
