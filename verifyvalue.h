// SPDX-License-Identifier: 0BSD
// verifyvalue.h - the grammar of VERIFY: bytes to settings.
//
//   value  = [ defer "," ] item *( "," item )  |  defer
//   defer  = a word that begins with D or d
//   item   = server | option
//   server = host:port as udpbits.h has it; ":" is the default one
//   option = "timeout=" 1..60 | "tries=" 1..10 | "maxbad=" 1..10000 | "badsleep=" 0..60
//          | "tempok" | "legacy"
//
// Servers are asked in the order given; where none is, it is 127.0.0.1:11113.  Anything else is a
// mistake, never "off": whoever wrote the value wanted something.
//
// Pure; allocates nothing; links without the C++ runtime.
// Manual: verifyrcpt(3).  Tests: tests/verifyvalue_test.cc, fuzz_verify_value.cc
#ifndef QV_VERIFYVALUE_H_
#define QV_VERIFYVALUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "udpbits.h"

namespace qv {

inline constexpr std::size_t kMaxServers = 8;

struct VerifyValue {
  bool defer = false;          // refuse at DATA, not at RCPT
  bool tempok = false;         // accept what the servers cannot decide
  bool legacy = false;         // take answers without an id, as old daemons give them
  std::uint32_t timeout = 5;   // seconds for one recipient, all servers and tries together
  std::uint32_t tries = 3;     // how often a question is sent, at least once to each server
  std::uint32_t maxbad = 0;    // refused recipients after which the session ends; 0: no such limit
  std::uint32_t badsleep = 0;  // seconds to wait before a refusal
  std::size_t servers = 0;
  std::array<Endpoint, kMaxServers> server{};
};

// What is wrong with a value: the item, as it stands in the value, and the rule it breaks.
struct VerifyMistake {
  std::string_view item;
  const char* rule;
};

// nullopt: `value` is whole, servers is at least 1.  Else the first mistake, and `value` is not to
// be used.  REQUIRES: `text` is not empty.
[[nodiscard]] std::optional<VerifyMistake> parse_verify_value(std::string_view text,
                                                              VerifyValue& value);

}  // namespace qv

#endif  // QV_VERIFYVALUE_H_
