// SPDX-License-Identifier: 0BSD
// Lines of passwd(5), and the records made of them.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/home.h"
#include "agent/passwd.h"
#include "core/text.h"

namespace {

using namespace qv;
using namespace qv::agent;

void require(bool condition) {
  if (!condition) abort();
}

void try_line(std::string_view line) {
  agent::PasswdEntry entry;
  if (!agent::parse_passwd_line(line, entry)) return;
  require(!entry.name.empty() && entry.name.find(':') == std::string_view::npos);
  require(entry.name.front() != '#' && entry.name.front() != '+' && entry.name.front() != '-');
  require(entry.uid != UINT32_MAX && entry.gid != UINT32_MAX);
  require(entry.home.empty() || entry.home.front() == '/');
  std::string value;
  agent::encode_passwd(entry, value);
  const Result<agent::PasswdEntry> back = agent::decode_passwd(value);
  require(back.ok() && back.value().uid == entry.uid && back.value().gid == entry.gid &&
          back.value().home == entry.home);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string_view rest = bytes;
  while (!rest.empty()) try_line(take_until(rest, '\n'));
  const Result<agent::PasswdEntry> entry = agent::decode_passwd(bytes);
  require(!entry.ok() || entry.value().home.find('\0') == std::string_view::npos);
  const Result<agent::IndexSummary> summary = agent::decode_summary(bytes);
  require(!summary.ok() || agent::decode_summary(agent::encode_summary(summary.value())).ok());
  return 0;
}
