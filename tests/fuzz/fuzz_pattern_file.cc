// SPDX-License-Identifier: 0BSD
// The rules of pattern tables, with a compiler of patterns that is quick: what is fuzzed is our
// parser, not the C library's or pcre's.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/text.h"
#include "maps/open.h"
#include "maps/types/pattern_table.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

// Matches a key that holds the pattern; has as many groups as the pattern has `(`.
class Substring final : public qv::maps::Pattern {
 public:
  explicit Substring(std::string_view text) : text_(text) {
    groups = static_cast<std::size_t>(std::count(text.begin(), text.end(), '('));
  }

  qv::Result<qv::maps::Answer> match(std::string_view key, qv::maps::Groups& matched) override {
    if (key.find(text_) == std::string_view::npos) return qv::maps::Answer::absent;
    for (std::size_t i = 0; i <= groups && i < qv::maps::kMaxGroups; ++i) matched[i] = key;
    return qv::maps::Answer::found;
  }

 private:
  std::string text_;
};

std::unique_ptr<qv::maps::Pattern> compile(std::string_view& rest, std::string& wrong) {
  std::string_view pattern;
  std::string_view flags;
  const std::size_t before = rest.size();
  if (!qv::maps::consume_delimited(rest, pattern, flags)) {
    wrong = "expected a pattern";
    return nullptr;
  }
  require(rest.size() + pattern.size() + flags.size() + 2 == before);
  return std::make_unique<Substring>(pattern);
}

void try_rules(std::string_view text) {
  std::string detail;
  const auto map = qv::maps::parse_pattern_table(
      text, "fuzz", false, {.compile = compile, .substitutes = true}, {}, detail);
  if (!map.ok()) {
    require(detail.substr(0, 5) == "fuzz:");
    return;
  }
  std::string value;
  for (const char* key : {"", "a", "user@example.org"}) {
    static_cast<void>(map.value()->lookup(key, value));
  }
}

void try_cidr(std::string_view text) {
  const qv::maps::MapType* cidr = qv::maps::find_map_type("cidr");
  require(cidr != nullptr);
  std::string detail;
  const qv::maps::MapSpec spec{"cidr", "{{" + std::string(text) + "}}", {}};
  const auto map = cidr->open(spec, detail);
  if (!map.ok()) return;
  std::string value;
  for (const char* key : {"192.0.2.1", "2001:db8::1", "x"}) {
    require(map.value()->lookup(key, value).ok());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_rules(text);
  // A name that is not in braces as a whole would be that of a file.
  if (text.find_first_of("{}") == std::string_view::npos) try_cidr(text);
  return 0;
}
